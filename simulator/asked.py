"""What the simulator is asked for and cannot do: told before anything is run."""


class AskedError(ValueError):
    """It cannot be done as it was asked for.

    Args:
        code: A stable word for this very reason.
        message: What is wrong, lower case, no full stop, values at the end.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
