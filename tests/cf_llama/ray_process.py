"""A job on a local Ray, told as JSON: python ray_process.py ROWS FOLDER. Account and address are in the environment."""

import json
import sys

import ray

from cf_llama.ray_data import Account, Ask

rows, folder = int(sys.argv[1]), sys.argv[2]
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
account = Account(per_minute=100_000)
dataset = ray.data.from_items([{"key": n, "text": f"page {n}"} for n in range(rows)], override_num_blocks=4)
options = {"prompt": "{text}", "account": account, "in_flight": 4, "settings": {"max_retries": 0}}
dataset.map_batches(Ask, fn_constructor_kwargs=options, concurrency=2, num_cpus=0.1, batch_size=5).write_parquet(folder)
answers = ray.data.read_parquet(folder).take_all()
spent = account.spent()
print(json.dumps({"answers": answers, "rows": spent.rows, "failed": spent.failed, "tokens": spent.usage.total_tokens}))  # noqa: T201 - the test reads it
ray.shutdown()
