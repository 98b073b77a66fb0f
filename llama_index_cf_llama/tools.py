"""LlamaIndex's tools as definitions for the wire."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from llama_index.core.tools import BaseTool, ToolMetadata
from pydantic import BaseModel

from cf_llama.protocol.json_schema import tool_definition, tool_name
from cf_llama.protocol.references import with_root_title


def definition(tool: BaseTool) -> dict[str, Any]:
    """A tool in OpenAI's form, whatever the length of its description.

    LlamaIndex works the schema out anew each time, which takes longer than all else that is done for a call; so the
    definitions of plain tools are kept.
    """
    metadata = tool.metadata
    if type(metadata) is ToolMetadata:
        return _definition(metadata.name, metadata.description, metadata.fn_schema)
    return tool_definition(metadata.to_openai_tool(skip_length_check=True))


@lru_cache(maxsize=512)
def tool_schema(output_cls: type[BaseModel]) -> dict[str, Any]:
    """The tool whose arguments are an object of a class."""
    schema = with_root_title(output_cls.model_json_schema())
    name = tool_name(schema.get("title", output_cls.__name__))
    return tool_definition({"name": name, "description": schema.get("description"), "parameters": schema})


@lru_cache(maxsize=512)
def _definition(name: str | None, description: str, fn_schema: type[BaseModel] | None) -> dict[str, Any]:
    options = ToolMetadata(description, name, fn_schema).to_openai_tool(skip_length_check=True)
    if fn_schema is not None:  # LlamaIndex passes on a few of its keywords, and no reference at its root
        options["function"]["parameters"] = fn_schema.model_json_schema()
    return tool_definition(options)
