"""What a Worker needs so that an emulator answers its `env.AI`: files for wrangler and workerd, shipped as data.

`bridge.mjs` stands behind the genuine code of the binding and speaks to the emulator; `wrangler-plugin.mjs` and
`config.capnp` put it there. `emulator.ts` scripts an emulator from tests. Routes that they call belong in `server`.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

PLUGIN, WRANGLER, WORKERD = "wrangler-plugin.mjs", "wrangler.local.jsonc", "config.capnp"
COPIED = ("bridge.mjs", PLUGIN, "emulator.ts")

_MAIN, _URL = "src/index.ts", "http://127.0.0.1:8799/client/v4"
"""As they stand in the files."""


def plugin_path() -> Path:
    """Return where the plugin of wrangler is installed."""
    return Path(str(files(__package__) / PLUGIN))


def wrangler_config(url: str, main: str = _MAIN, plugin: Path | None = None) -> str:
    """Return a configuration for `wrangler dev`.

    Args:
        url: The emulator's base URL, ending in `/client/v4`.
        main: The Worker's entry file, relative to the configuration.
        plugin: The plugin's file; the installed one unless given. wrangler needs its absolute path.
    """
    text = _read(WRANGLER).replace(json.dumps(f"./{PLUGIN}"), json.dumps(str(plugin or plugin_path())))
    return text.replace(json.dumps(_MAIN), json.dumps(main)).replace(json.dumps(_URL), json.dumps(url))


def worker_files(folder: Path, url: str, main: str = _MAIN) -> dict[str, str]:
    """Return the files for a Worker in `folder`, text by name; arguments as those of `wrangler_config`."""
    return {
        **{name: _read(name) for name in COPIED},
        WRANGLER: wrangler_config(url, main, folder.resolve() / PLUGIN),
        WORKERD: _read(WORKERD).replace(json.dumps(_URL), json.dumps(url)),
    }


def _read(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")
