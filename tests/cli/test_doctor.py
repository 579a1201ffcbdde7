"""`safelight doctor` as an operator calls it."""

import json
from pathlib import Path
from urllib.request import urlopen

from tests.cli.command import Done, started
from tests.patience import PATIENCE_S
from tests.server_process import ServerProcess


def doctor(*arguments: object, **environment: str) -> Done:
    """In a process of its own: it sets up logs for itself."""
    with started("doctor", *arguments, SAFELIGHT_AI__ENABLED="false", **environment) as process:
        out, err = process.communicate(timeout=90)
    return Done(process.returncode, out, err)


def test_every_wrong_setting_is_named_and_nothing_else_is_tried(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[queue]\nmax_dept = 5\n[server]\nport = 99999\n")

    done = doctor("--config", config)

    assert done.code == 1
    assert "✗ queue.max_dept: unknown setting" in done.out
    assert "✗ server.port:" in done.out
    assert "Redis" not in done.out


def test_a_fresh_machine_can_serve_and_is_left_as_it_was(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[server]\nport = 0\n[hooks]\ntoken = "secret"\n')
    config.chmod(0o644)

    done = doctor("--config", config, "--data-dir", tmp_path / "data")

    assert (done.code, done.err) == (0, ""), done.out
    assert f"chmod 640 {config}" in done.out
    assert "✓ libvips" in done.out
    assert [one.name for one in tmp_path.iterdir()] == ["config.toml"]


def test_a_running_server_is_not_disturbed(shared_server: ServerProcess) -> None:
    before = sorted(shared_server.data_dir.iterdir())
    port = shared_server.url.rpartition(":")[2]

    done = doctor("--json", "--data-dir", shared_server.data_dir, SAFELIGHT_SERVER__PORT=port)

    told = json.loads(done.out)
    says = "\n".join(one["says"] for one in told["findings"])
    assert (done.code, told["ok"]) == (0, True), done.out
    assert f"process id {shared_server.pid}" in says
    assert "the server's own Redis answers" in says
    assert "the running server says that it is well" in says
    assert sorted(shared_server.data_dir.iterdir()) == before
    with urlopen(f"{shared_server.url}/readyz", timeout=PATIENCE_S) as answer:
        assert answer.status == 200
