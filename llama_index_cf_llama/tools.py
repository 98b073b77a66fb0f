"""Converts LlamaIndex's tools to tool definitions in OpenAI's form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from llama_index.core.tools import BaseTool, ToolMetadata
from pydantic import BaseModel

from cf_llama.protocol.errors import InvalidRequestError
from cf_llama.protocol.json_schema import tool_definition, tool_name
from cf_llama.protocol.references import with_root_title


def definition(tool: BaseTool) -> dict[str, Any]:
    """Convert a tool to OpenAI's form, without LlamaIndex's limit on its description.

    Definitions of plain tools are cached: LlamaIndex rebuilds the schema each time, which takes longer than the rest
    of preparing a call.

    Raises:
        InvalidRequestError: `tool` is not one of LlamaIndex's.
    """
    metadata: ToolMetadata | None = getattr(tool, "metadata", None)
    if metadata is None:
        raise InvalidRequestError(
            "tools: each must be a tool of LlamaIndex, as FunctionTool.from_defaults(...) makes one of a function, "
            f"not {type(tool).__name__}"
        )
    if type(metadata) is ToolMetadata:
        return _definition(metadata.name, metadata.description, metadata.fn_schema)
    return tool_definition(metadata.to_openai_tool(skip_length_check=True))


@lru_cache(maxsize=512)
def tool_schema(output_cls: type[BaseModel]) -> dict[str, Any]:
    """The definition of a tool whose arguments are the fields of `output_cls`."""
    schema = with_root_title(output_cls.model_json_schema())
    name = tool_name(schema.get("title", output_cls.__name__))
    return tool_definition({"name": name, "description": schema.get("description"), "parameters": schema})


@lru_cache(maxsize=512)
def _definition(name: str | None, description: str, fn_schema: type[BaseModel] | None) -> dict[str, Any]:
    options = ToolMetadata(description, name, fn_schema).to_openai_tool(skip_length_check=True)
    if fn_schema is not None:  # LlamaIndex drops most of its keywords and a reference at its root
        options["function"]["parameters"] = fn_schema.model_json_schema()
    return tool_definition(options)
