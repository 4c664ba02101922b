"""``shouxin preset``: the networks of the policy documents, listed or loaded into one that runs."""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from authz.preset import NAMES, Preset
from ledger.errors import NotFoundError
from nodes.adapters.network import CONFIG_FILE, TOKEN_FILE
from nodes.cli.caller import load_folder, load_roster
from nodes.cli.demo.lags import Lags
from nodes.cli.demo.loading import home_of, load_text
from nodes.cli.demo.loading import load as load_preset
from nodes.cli.demo.office import Office
from nodes.cli.show import console, print_json, table

_COLUMNS: Final = ("preset", "document", "nodes", "parties of larger ones", "items", "milestones")


def listing(given: argparse.Namespace) -> int:
    """Show the presets: who runs a node, who is a party of a larger region."""
    presets = [load_text(name) for name in NAMES]
    if given.json:
        print_json({"presets": [_fields(it) for it in presets]})
        return 0
    made = table(*_COLUMNS)
    for it in presets:
        regions = it.regions
        made.add_row(
            it.name,
            it.document,
            ", ".join(f"{region.code} {region.name}" for region in regions),
            "、".join(name for region in regions for _, name in region.members),
            str(sum(len(region.items) for region in regions)),
            ", ".join(str(milestone.target) for milestone in it.milestones),
        )
    console().print(made)
    return 0


def load(given: argparse.Namespace) -> int:
    """Load a preset into a network whose nodes run."""
    preset = load_text(given.name)
    grants = asyncio.run(_load(preset, given.network))
    if given.json:
        print_json({**_fields(preset), "grants": grants})
    else:
        print(f"{preset.name}: {len(preset.regions)} regions, {len(grants)} live grants")
    return 0


async def _load(preset: Preset, folder: Path) -> list[str]:
    offices = {region.code: _office(preset, region.code, folder) for region in preset.regions}
    try:
        for office in offices.values():
            office.watch()
        return await load_preset(offices, preset, lambda: None)
    finally:
        await asyncio.gather(*(office.close() for office in offices.values()))


def _office(preset: Preset, code: str, folder: Path) -> Office:
    config = folder / code / CONFIG_FILE
    if not config.is_file():
        raise NotFoundError(f"the network has no region {code}", code="unknown-region")
    region = next(it for it in preset.regions if it.code == code)
    return Office(
        home=home_of(region),
        config=config,
        operator=(config.parent / TOKEN_FILE).read_text("ascii").strip(),
        roster=load_roster(load_folder(config.parent).node.roster),
        lags=Lags(),
        goes_on=True,
    )


def _fields(preset: Preset) -> Mapping[str, object]:
    return {
        "name": preset.name,
        "title": preset.title,
        "document": preset.document,
        "steward": preset.steward,
        "nodes": {region.code: region.name for region in preset.regions},
        "parties": {
            region.code: [name for _, name in region.members]
            for region in preset.regions
            if region.members
        },
        "milestones": [
            {"matter": it.matter, "target": it.target, "due_s": it.due_s}
            for it in preset.milestones
        ],
    }
