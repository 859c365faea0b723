"""What the sandbox asks the system for; what that keeps out is tested in test_coursework.py."""

import subprocess

from coursework.sandbox import UNSHARE


def test_it_asks_for_a_network_of_its_own_in_which_there_is_nobody():
    assert {"--user", "--net", "--ipc", "--uts", "--pid", "--mount"} < {*UNSHARE}
    seen = subprocess.run([*UNSHARE, "cat", "/proc/net/dev"], capture_output=True, text=True)
    if seen.returncode == 0:  # the system allows it
        assert [line.split(":")[0].strip() for line in seen.stdout.splitlines()[2:]] == ["lo"]
