"""The playground: a page that talks to the emulator, for trying prompts and looking at the wire.

Python serves the page's files and its data; everything else is in `static`, plain modules without a build step. The
page calls the emulator's ordinary routes, so what it shows is what every other client gets. Those routes belong in
`server`.
"""
