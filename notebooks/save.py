"""Run the notebooks and save them with their output; text that came in pieces is saved in one."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

for path in sorted(Path(__file__).parent.glob("*.ipynb")):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, coalesce_streams=True, record_timing=False).execute()
    nbformat.write(notebook, path)
    print(f"saved {path.name}")
