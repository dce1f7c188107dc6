"""Peers: the measured servers, their start commands and protocols, and why one may be unavailable."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

HERE = Path(__file__).parent
CRYPTOTRADE = "cryptotrade"
NCHAN_MODULES = ("lib/nginx/modules", "lib64/nginx/modules", "share/nginx/modules")  # beside the binary


@dataclass(frozen=True)
class Ports:
    """Ports of a peer: one for clients, one for incoming updates."""

    clients: int
    ingress: int


@dataclass(frozen=True)
class Peer:
    """One server. `command(ports, folder)` starts it; `missing()` is the reason why it cannot run, or None."""

    name: str
    sink: str
    command: Callable[[Ports, Path], list[str]]
    dialect: str = "plain"
    missing: Callable[[], str | None] = lambda: None

    def path(self, topics: list[str]) -> str:
        if self.dialect == "hub":
            return "/ws/stream"
        return "/sub?id=" + ",".join(topics) if self.sink == "nchan" else "/"

    @property
    def fed_by_redis(self) -> bool:
        """Whether its feed publishes through Redis, and so can start before the server (required for our hub)."""
        return self.sink in ("hub", "core", "pubsub")

    def feed_port(self, ports: Ports) -> int:
        return ports.clients if self.sink == "nchan" else ports.ingress


def _cryptotrade(ports: Ports, folder: Path) -> list[str]:
    manage = str(settings.BASE_DIR / "manage.py")
    return [sys.executable, manage, "web", "--port", str(ports.clients)]


def _python(name: str) -> Callable[[Ports, Path], list[str]]:
    def command(ports: Ports, folder: Path) -> list[str]:
        module = ["-m", "benchmarks.servers", name]
        return [sys.executable, *module, str(ports.clients), str(ports.ingress)]

    return command


# --- Node ------------------------------------------------------------------------------------------
def _node(ports: Ports, folder: Path) -> list[str]:
    return ["node", str(HERE / "node_ws.js"), str(ports.clients), str(ports.ingress)]


def _node_missing() -> str | None:
    if (node := shutil.which("node")) is None:
        return "node-ws: skipped, there is no node here"
    result = subprocess.run(
        [node, "-e", "require.resolve('ws')"], cwd=HERE, capture_output=True, timeout=20, check=False
    )
    return "node-ws: skipped, node finds no package `ws`" if result.returncode else None


# --- nginx with nchan --------------------------------------------------------------------------------
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
{load}
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000000;
    location /pub {{ nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 1; }}
    location /sub {{
      nchan_subscriber websocket; nchan_channel_id $arg_id; nchan_channel_id_split_delimiter ",";
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


def _nchan_module() -> Path | None:
    prefix = Path(shutil.which("nginx") or "/usr/sbin/nginx").resolve().parents[1]
    found = (prefix / folder / "ngx_nchan_module.so" for folder in NCHAN_MODULES)
    return next((path for path in found if path.exists()), None)


def _nchan(ports: Ports, folder: Path) -> list[str]:
    module = _nchan_module()
    load = f"load_module {module};" if module else ""
    config = folder / f"nginx-{ports.clients}.conf"
    config.write_text(NGINX.format(folder=folder, load=load, port=ports.clients))
    return ["nginx", "-p", str(folder), "-c", str(config), "-e", "stderr"]


def _nchan_missing() -> str | None:
    if (nginx := shutil.which("nginx")) is None:
        return "nchan: skipped, there is no nginx here"
    build_info = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False).stderr
    if _nchan_module() or "nchan" in build_info:
        return None
    return "nchan: skipped, nginx has no such module"


PEERS = [
    Peer(CRYPTOTRADE, "hub", _cryptotrade, dialect="hub"),
    Peer("channels-core", "core", _python("core")),
    Peer("channels-pubsub", "pubsub", _python("pubsub")),
    Peer("websockets", "lines", _python("websockets")),
    Peer("nchan", "nchan", _nchan, missing=_nchan_missing),
    Peer("node-ws", "lines", _node, missing=_node_missing),
]


def peers_available(names: Sequence[str] | None) -> tuple[list[Peer], list[str]]:
    """Our hub and the peers of `names` (default: all) that can run on this machine, and notes on the others.

    Raises `ValueError` for an unknown name.
    """
    existing = {peer.name for peer in PEERS}
    if unknown := set(names or ()) - existing:
        raise ValueError(
            f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(sorted(existing))}"
        )
    peers = [peer for peer in PEERS if names is None or peer.name in {*names, CRYPTOTRADE}]
    reasons = {peer.name: peer.missing() for peer in peers}
    return [p for p in peers if reasons[p.name] is None], [reason for reason in reasons.values() if reason]
