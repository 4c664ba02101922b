"""Arguments of the commands that found a network and run its nodes."""

from pathlib import Path

from nodes.cli.arguments.common import Commands, add_json, add_language, command


def add_network(commands: Commands) -> None:
    """Add ``shouxin network``."""
    network = commands.add_parser("network", help="found a network, or run all its nodes here")
    parts = network.add_subparsers(metavar="COMMAND", required=True)
    init = command(
        parts,
        "init",
        "network:init",
        "make the keys, the genesis roster and a folder for each node",
    )
    init.add_argument(
        "folder", type=Path, metavar="DIR", help="new; a folder for each node is made in it"
    )
    init.add_argument(
        "--preset", metavar="NAME", default="southwest-five", help="see shouxin preset list"
    )
    init.add_argument(
        "--base-port", type=int, default=8410, help="the first of ten ports (default: 8410)"
    )
    init.add_argument(
        "--regions",
        metavar="CODE,…",
        help="only these of the preset's regions; a single one has no witnesses",
    )
    init.add_argument(
        "--post-quantum",
        action="store_true",
        help="logs, witnesses and mirrors sign with ML-DSA-44 keys too",
    )
    init.add_argument(
        "--sm2",
        action="store_true",
        help="officers may sign with SM2 (sm2-sm3), and logs add an SM2 line to checkpoints",
    )
    add_json(init)
    up = command(
        parts, "up", "network:up", "start all nodes as processes and stay until interrupted"
    )
    up.add_argument("folder", type=Path, metavar="DIR", help="of network init")


def add_node(commands: Commands) -> None:
    """Add ``shouxin node``."""
    node = commands.add_parser("node", help="run one node")
    parts = node.add_subparsers(metavar="COMMAND", required=True)
    run_ = command(parts, "run", "node:run", "run one node until it is told to stop")
    run_.add_argument("--config", type=Path, required=True, metavar="FILE", help="its node.toml")
    run_.add_argument(
        "--leash",
        action="store_true",
        help="stop when standard input ends, with whoever started it",
    )


def add_preset(commands: Commands) -> None:
    """Add ``shouxin preset``."""
    preset = commands.add_parser(
        "preset", help="the networks that the policy documents describe: list them, load one"
    )
    parts = preset.add_subparsers(metavar="COMMAND", required=True)
    listing = command(parts, "list", "presets:listing", "list the presets and what is in each")
    add_json(listing)
    load = command(
        parts,
        "load",
        "presets:load",
        "enrol a preset's parties, publish its items and lend them, in a network that runs",
        description=(
            "Enrol a preset's parties, publish its items, lend them to all other windows, sign its "
            "agreements and set its milestones, in a network whose nodes run and whose folders lie "
            "here. Where it broke off, it goes on if it is called again. A region that has its "
            "department from elsewhere is refused. Its officers get their tokens from "
            "shouxin token issue."
        ),
    )
    load.add_argument("name", metavar="NAME", help="as shouxin preset list has it")
    load.add_argument(
        "--network", type=Path, required=True, metavar="DIR", help="the folder of network init"
    )
    add_json(load)


def add_demo(commands: Commands) -> None:
    """Add ``shouxin demo``."""
    demo = command(
        commands,
        "demo",
        "demo.story:demo",
        "start five regions here, tell their story, and check every claim",
    )
    demo.add_argument(
        "folder", type=Path, nargs="?", metavar="DIR", help="default: a temporary one"
    )
    demo.add_argument(
        "--story",
        choices=("windows", "membership"),
        default="windows",
        help="what windows do; or how regions join, are lost and lie (default: windows)",
    )
    demo.add_argument(
        "--preset", metavar="NAME", help="instead: the network of a document; see shouxin preset"
    )
    demo.add_argument("--once", action="store_true", help="end after the story, 0 if all held")
    demo.add_argument(
        "--cases", type=int, default=30, help="how many cases run through (default: 30)"
    )
    demo.add_argument(
        "--base-port", type=int, default=0, help="first of 17 ports (default: free ones)"
    )
    add_json(demo)
    add_language(demo)
