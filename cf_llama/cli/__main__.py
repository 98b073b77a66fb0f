"""`python -m cf_llama.cli` is the command `cf-llama`."""

from cf_llama.cli import main

main()
