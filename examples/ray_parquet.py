"""Ask a question for each row of Parquet files, with Ray Data: python ray_parquet.py [IN.parquet OUT_FOLDER PROMPT].

Without arguments it makes a small table of its own. Without an account an emulator answers.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile

import ray

from cf_llama.ray_data import Account, Ask

if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        if not os.environ.get("CLOUDFLARE_ACCOUNT_ID"):
            from cf_llama_emulator.server import serve

            emulator = stack.enter_context(serve())
            os.environ["CLOUDFLARE_BASE_URL"] = emulator.base_url
            os.environ["CLOUDFLARE_ACCOUNT_ID"] = emulator.account_id
            os.environ["CLOUDFLARE_API_TOKEN"] = emulator.api_token
            print("No account is set: an emulator on this machine answers.")
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        source, target, prompt = sys.argv[1:] or (f"{folder}/in", f"{folder}/out", "Translate into Dutch: {text}")
        ray.init(include_dashboard=False, log_to_driver=False)
        if not sys.argv[1:]:
            ray.data.from_items([{"text": f"{n} green bottles"} for n in range(100)]).write_parquet(source)
        account = Account(per_minute=300)
        options = {"prompt": prompt, "account": account}
        rows = ray.data.read_parquet(source).map_batches(
            Ask, fn_constructor_kwargs=options, concurrency=2, num_cpus=0.1
        )
        rows.write_parquet(target)
        print(ray.data.read_parquet(target).limit(3).to_pandas().to_string(max_colwidth=40))
        print(account.spent())
        ray.shutdown()
