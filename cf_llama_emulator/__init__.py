"""An emulator of Workers AI's text generation routes for one model, to develop and test offline.

    request ── server ── faults ── wire (check, parse) ── engines ── wire (write) ── faults ── response

It imports nothing of `cf_llama`, so a mistake of the client is not repeated here. Start it with
`cf_llama_emulator.server.serve`, in tests with the pytest fixture `cf_llama_emulator`.
"""
