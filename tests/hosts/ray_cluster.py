"""Ray on the hosts, by Ray's own commands: a head and workers that share a token."""

import secrets
import subprocess
import sys

from tests.hosts.host import Host

PORT = 6379
_STORE_BYTES = 200_000_000


class RayCluster:
    """A head, and workers that come and go; whoever has no token is refused."""

    def __init__(self, head: Host) -> None:
        self.head = head
        self._token = secrets.token_hex(32)
        self.address = f"{head.address}:{PORT}"

    def environment(self, host: Host) -> dict[str, str]:
        """What a node or a driver on this host needs; the host gets its copy of the token."""
        path = host.disk / "token"
        path.touch(mode=0o600)
        path.write_text(self._token)
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(host.home / "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            # A host that vanishes is missed after some 5 s instead of a minute.
            "RAY_health_check_timeout_ms": "2000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_failure_threshold": "3",
        }

    def begin(self, host: Host, cpus: int) -> subprocess.Popen[str]:
        """Starts the host's node; the process ends when it has joined."""
        role = ["--head", f"--port={PORT}"] if host is self.head else [f"--address={self.address}"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *role]
        command += [f"--node-ip-address={host.address}", f"--num-cpus={cpus}"]
        command += [f"--object-store-memory={_STORE_BYTES}", "--disable-usage-stats"]
        if host is self.head:
            command += [f"--temp-dir={host.home}/ray", "--include-dashboard=false"]
        return host.start("ray", command, self.environment(host))
