"""A hook of the site: links to files outside docs/, which only a checkout has, become the names of these files."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^]]*)\]\((?:\.\./)+(?:\.\./)*((?!guides|reference|pictures)[\w.-]+/?[^)#\s]*)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Replace the links of a page."""
    depth = page.file.src_uri.count("/") + 1
    prefix = "../" * depth

    def named(match: re.Match[str]) -> str:
        return match[0] if not match[0].split("](")[1].startswith(prefix) else f"{match[1]} (`{match[2]}`)"

    return _OUTSIDE.sub(named, markdown)
