"""A process that works on a job until it is done or killed: python job_process.py JOURNAL BASE_URL ACCOUNT TOKEN."""

import sys

from cf_llama import Settings, Transport
from cf_llama.batch import BatchOptions
from cf_llama.batch.job import Job

path, base_url, account_id, api_token = sys.argv[1:]
settings = Settings(base_url=base_url, account_id=account_id, api_token=api_token, max_retries=0)
options = BatchOptions(max_items=10, first_poll=0.02, longest_poll=0.05, capacity_pause=0.2)
with Job.open(path, attempts=1000) as job:
    print("open", flush=True)  # noqa: T201 - the test waits for it
    job.run(Transport(settings.connection()), options)
