"""The command `doctor`: a good set-up, and ten that are broken."""

import json
import socket

import pytest

from cf_llama import Usage
from cf_llama.cli.doctor import wrapped
from cf_llama.cli.service_checks import digits_finding
from cf_llama.protocol import tokens
from cf_llama.transport.http import clients, sockets
from cf_llama_emulator.server import serve

ACCOUNT, TOKEN = "0123456789abcdef0123456789abcdef", "made-up-token-of-no-account"
CALLS = ["stream", "digits", "tools", "JSON mode", "batch queue", "AI Gateway"]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """No proxy, no certificates and no connection of another test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    clients._tls.cache_clear()
    clients.close()
    yield
    clients._tls.cache_clear()
    clients.close()


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)


@pytest.fixture
def unheard():
    """A port on which nobody listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def doctor(run):
    """Return a function that runs the command and returns its exit code and its findings by name."""

    def examine(*arguments):
        done = run("doctor", "--json", "--set", "rate_limit_wait=0.1", *arguments)
        assert TOKEN not in done.output
        assert ACCOUNT not in done.output
        told = json.loads(done.stdout)
        assert told["ok"] == (done.exit_code == 0)
        return done.exit_code, {check["name"]: check for check in told["checks"]}

    return examine


def lead_to(running, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", running.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", running.account_id)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", running.api_token)


def statuses(findings, *names):
    return [findings[name]["status"] for name in names]


def test_a_good_set_up_is_ok(run, emulator):
    done = run("doctor")
    first, *lines, last = done.stdout.splitlines()
    assert done.exit_code == 0
    assert "less than a cent" in first
    assert last.startswith("Nothing is wrong. It cost $0.000")
    said = [(line[:7].strip(), line[9:21].strip()) for line in lines]
    assert said == [
        ("ok", "settings"),
        ("skipped", "certificates"),
        ("skipped", "proxy"),
        *[("ok", name) for name in ("connection", "token", "model", *CALLS[:-1])],
        ("skipped", "AI Gateway"),
    ]
    assert "token from CLOUDFLARE_API_TOKEN, account from CLOUDFLARE_ACCOUNT_ID" in lines[0]
    for secret in (emulator.account_id, emulator.api_token):
        assert secret not in done.output


@pytest.mark.parametrize(("width", "indent"), [(40, 2), (80, 23)])
def test_a_narrow_terminal_breaks_no_name(width, indent):
    text = "token from CLOUDFLARE_API_TOKEN, account from CLOUDFLARE_ACCOUNT_ID"
    first, *others = wrapped(text, width).splitlines()
    assert " ".join([first, *map(str.strip, others)]) == text
    assert all(line.startswith(" " * indent + line.strip()[0]) and len(line) <= width for line in others)


def test_a_gateway_is_checked_if_one_is_set(doctor, emulator):
    code, findings = doctor("--set", "gateway=mine")
    assert (code, findings["AI Gateway"]["text"]) == (0, "answers come through mine")


def test_a_gateway_that_leaves_no_trace_is_not_there(doctor, emulator, monkeypatch):
    monkeypatch.setattr("cf_llama.config.gateway.Gateway.headers", lambda _: {})
    code, findings = doctor("--set", "gateway=mine")
    assert (code, findings["AI Gateway"]["status"]) == (1, "failed")


def test_1_no_variables(doctor):
    code, findings = doctor()
    assert (code, list(findings)) == (1, ["settings", "calls"])
    assert "account_id is missing" in findings["settings"]["text"]
    assert "api_token is missing" in findings["settings"]["text"]
    assert "`cf-llama serve`" in findings["settings"]["advice"]


def test_a_global_key_is_no_token(doctor, account, monkeypatch):
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "0" * 37)
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "someone@example.com")
    code, findings = doctor()
    assert (code, list(findings)) == (1, ["settings", "calls"])
    assert "is a global API key" in findings["settings"]["advice"]


def test_swapped_variables(doctor, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", TOKEN.ljust(40, "x"))
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", ACCOUNT)
    code, findings = doctor()
    assert (code, findings["settings"]["status"]) == (1, "failed")
    assert "swapped?" in findings["settings"]["text"]


def test_a_base_url_without_its_path_is_no_fault_of_the_token(doctor, emulator, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", emulator.base_url.removesuffix("/client/v4"))
    code, findings = doctor()
    assert (code, *statuses(findings, "connection", "token", "model")) == (1, "failed", "skipped", "skipped")
    assert "must end in /client/v4" in findings["connection"]["advice"]


@pytest.mark.parametrize(
    ("status", "advice"),
    [(200, "A web page"), (302, "Redirects are not followed"), (403, "A web page"), (404, "A web page")],
)
def test_a_base_url_that_is_a_web_page(doctor, scripted, status, advice):
    page = b"<html><title>Dashboard | Web &amp; Security</title></html>"
    scripted.says(page, status=status, headers={"content-type": "text/html; charset=utf-8"})
    code, findings = doctor()
    assert (code, *statuses(findings, "connection", "token", "model")) == (1, "failed", "skipped", "skipped")
    assert "Dashboard | Web & Security" in findings["connection"]["text"]
    assert findings["connection"]["advice"].startswith(advice)
    assert "check base_url" in findings["connection"]["advice"]


def test_a_malformed_variable(doctor, account, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://[::1/client")
    code, findings = doctor()
    assert (code, list(findings)) == (1, ["settings", "calls"])
    assert "base_url must be" in findings["settings"]["text"]


def test_2_wrong_token(doctor, emulator, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    code, findings = doctor()
    assert code == 1
    assert statuses(findings, "connection", "token", "model", *CALLS) == ["ok", "failed", *["skipped"] * 7]
    assert "Check the token" in findings["token"]["advice"]


def test_3_wrong_account(doctor, emulator, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "f" * 32)
    code, findings = doctor()
    assert (code, *statuses(findings, "connection", "token", "model")) == (1, "ok", "failed", "skipped")
    assert "account" in findings["token"]["advice"]


def test_an_account_that_is_none(doctor, scripted):
    scripted.refuses(404, 7003)
    _, findings = doctor()
    assert statuses(findings, "connection", "token", "model") == ["ok", "failed", "skipped"]
    assert "CLOUDFLARE_ACCOUNT_ID" in findings["token"]["advice"]


def test_4_a_base_url_that_refuses(doctor, account, monkeypatch, unheard):
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"http://127.0.0.1:{unheard}/client/v4")
    code, findings = doctor()
    assert (code, *statuses(findings, "connection", "token", "model")) == (1, "failed", "skipped", "skipped")
    assert "the connection to 127.0.0.1 failed" in findings["connection"]["text"]


def test_https_to_a_server_without_tls(doctor, account, scripted, monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", scripted.base_url.replace("http:", "https:"))
    code, findings = doctor()
    assert (code, findings["connection"]["status"]) == (1, "failed")
    assert "is not TLS" in findings["connection"]["text"]
    assert findings["connection"]["advice"] == ""


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_5_a_certificate_file_that_is_missing(doctor, account, monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path / "none.pem"))
    code, findings = doctor()
    assert (code, list(findings)) == (1, ["settings", "certificates", "calls"])
    assert findings["certificates"]["text"] == f"{variable} names a file that does not exist"
    assert findings["certificates"]["advice"] == f"Correct the path, or unset {variable}."


def test_a_certificate_file_that_is_none(doctor, account, monkeypatch, tmp_path):
    (tmp_path / "authority.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://localhost:1/client/v4")
    code, findings = doctor()
    assert (code, findings["certificates"]["status"]) == (1, "ok")
    assert "cannot be read as certificates" in findings["connection"]["text"]


def test_6_a_proxy_that_refuses(doctor, account, monkeypatch, unheard):
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://api.invalid/client/v4")
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{unheard}")
    code, findings = doctor()
    assert code == 1
    assert findings["proxy"]["text"] == "set by HTTPS_PROXY"
    assert "HTTPS_PROXY names a proxy for it" in findings["connection"]["text"]
    assert findings["connection"]["advice"] == ""
    assert "secret" not in json.dumps(findings)


def test_7_a_host_that_is_unknown(doctor, account, monkeypatch):
    def unknown(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(sockets, "resolve", unknown)
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://api.invalid/client/v4")
    code, findings = doctor()
    assert (code, findings["proxy"]["text"]) == (1, "none is set")
    assert "the host api.invalid has no address" in findings["connection"]["text"]
    assert findings["connection"]["advice"] == ""  # the text says what to check


def test_8_a_model_without_permission(doctor, scripted):
    scripted.refuses(403, 5018)
    code, findings = doctor()
    assert (code, *statuses(findings, "connection", "token", "model")) == (1, "ok", "ok", "failed")
    assert "code 5018" in findings["model"]["text"]


def test_a_token_without_permission(doctor, scripted):
    scripted.refuses(403, 9109)
    code, findings = doctor()
    assert (code, *statuses(findings, "connection", "token", "model")) == (1, "ok", "failed", "skipped")
    assert "Give the token the permission `Workers AI`" in findings["token"]["advice"]


def test_a_model_that_is_none(doctor, emulator):
    code, findings = doctor("--set", "model=@cf/meta/llama-9")
    assert (code, *statuses(findings, "connection", "token", "model")) == (1, "ok", "ok", "failed")


def test_9_rate_limited(doctor, monkeypatch):
    with serve(faults="rate-limited") as running:
        lead_to(running, monkeypatch)
        code, findings = doctor()
    assert (code, *statuses(findings, "connection", "token", "model")) == (1, "ok", "ok", "failed")
    assert "no place under the rate limit" in findings["model"]["text"]


def faulty_streams(monkeypatch, fault):
    running = serve(faults=lambda request: fault if request.body.get("stream") else "")
    lead_to(running, monkeypatch)
    return running


def test_10_answers_that_are_cut_in_mid_stream(doctor, monkeypatch):
    with faulty_streams(monkeypatch, "cut=event@2"):
        code, findings = doctor()
    assert code == 1
    assert statuses(findings, "model", "stream", "digits", "tools") == ["ok", "failed", "failed", "ok"]
    assert "the stream broke off" in findings["stream"]["text"]
    assert "Run it again" in findings["stream"]["advice"]


def test_a_stream_in_one_piece_is_told(doctor, monkeypatch):
    with faulty_streams(monkeypatch, "json-answer"):
        code, findings = doctor()
    assert (code, findings["stream"]["status"]) == (0, "ok")
    assert "came in one piece" in findings["stream"]["text"]


def test_streams_without_a_word_are_failures(doctor, monkeypatch):
    with faulty_streams(monkeypatch, "nothing"):
        code, findings = doctor()
    assert (code, *statuses(findings, "model", "stream")) == (1, "ok", "failed")


def test_tools_that_the_model_does_not_call_are_a_failure(doctor, monkeypatch):
    with serve(faults=lambda request: "nothing" if "tools" in request.body else "") as running:
        lead_to(running, monkeypatch)
        code, findings = doctor()
    assert (code, *statuses(findings, "model", "tools", "JSON mode")) == (1, "ok", "failed", "ok")
    assert "the model made none" in findings["tools"]["text"]


def test_json_that_does_not_fit_is_a_failure(doctor, monkeypatch):
    with serve(faults=lambda request: "nothing" if "response_format" in request.body else "") as running:
        lead_to(running, monkeypatch)
        code, findings = doctor()
    assert (code, *statuses(findings, "tools", "JSON mode")) == (1, "ok", "failed")
    assert findings["JSON mode"]["text"] == "the answer does not fit: ''"


def test_what_no_service_of_ours_has_said_proves_no_token(doctor, scripted):
    for _ in range(2):
        scripted.says(b"<html>Bad gateway</html>", status=502, headers={"content-type": "text/html"})
    _, findings = doctor("--set", "max_retries=0")
    assert statuses(findings, "connection", "token", "model") == ["ok", "skipped", "failed"]
    assert "Try again later" in findings["model"]["advice"]


@pytest.mark.skipif(not tokens.is_exact(), reason="the extra `tokens` is not installed")
@pytest.mark.parametrize(
    ("text", "billed", "status"),
    [("2718281828459045235360287", 9, "ok"), ("28182845904523530287", 11, "failed"), ("271828", 3, "skipped")],
)
def test_digits_that_are_billed_and_do_not_come_are_lost(text, billed, status):
    assert digits_finding(text, Usage(10, billed, 10 + billed)).status == status


@pytest.mark.parametrize("arguments", [("--set", "x=1"), ("--set", "x")])
def test_what_is_no_setting_is_a_usage_error(run, arguments):
    done = run("doctor", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
