"""What a stage measures of the processes on it."""

import os
import time

from loadtests.stage import process_cpu_s


def test_the_processor_time_of_a_process_is_what_it_says_of_itself() -> None:
    before_s = time.process_time()
    told_s = process_cpu_s(os.getpid())
    assert before_s <= told_s + 0.02
    assert told_s <= time.process_time() + 0.02
