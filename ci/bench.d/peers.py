"""Other tools on the same lab: one process a certificate, as each of them issues."""

import socket
import ssl
import subprocess
import threading
from functools import reduce
from operator import add

from measure import run


def certbot(lab, names):
    """certbot with certbot-dns-route53: GetChange each 5 s."""
    env = lab.aws() | {
        "AWS_ENDPOINT_URL_ROUTE_53": lab.facts["route53"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "REQUESTS_CA_BUNDLE": lab.facts["ca_root"],
    }
    home = lab.dir / "certbot"
    argv = [
        "target/venv-bench/bin/certbot", "certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email",
        "--server", lab.facts["directory"], "--dns-route53", "--key-type", "ecdsa",
        "--config-dir", home / "config", "--work-dir", home / "work", "--logs-dir", home / "logs",
    ]
    return reduce(add, [run([*argv, "-d", f"n{at}.example.com"], ".", env) for at in range(names)])


def lego(lab, names):
    """lego from Debian: GetChange each 4 s, after the change and after its removal."""
    with Amazon(lab) as amazon:
        env = lab.aws() | {
            "AWS_REGION": "us-east-1",
            "AWS_HOSTED_ZONE_ID": lab.facts["zone"],
            "AWS_CA_BUNDLE": str(amazon.certificate),
            "HTTPS_PROXY": amazon.url,
            "LEGO_CA_CERTIFICATES": lab.facts["ca_root"],
        }
        argv = [
            "lego", "--server", lab.facts["directory"], "--accept-tos", "--email", "ops@lab.test",
            "--path", lab.dir / "lego", "--dns", "route53", "--dns.disable-cp", "--dns.resolvers", lab.facts["nameserver"],
        ]
        return reduce(add, [run([*argv, "-d", f"n{at}.example.com", "run"], ".", env) for at in range(names)])


class Amazon:
    """A proxy that claims to be route53.amazonaws.com: lego's SDK takes no other endpoint."""

    def __init__(self, lab):
        host, port = lab.facts["route53"].removeprefix("http://").split(":")
        self.upstream = (host, int(port))
        self.certificate, key = lab.dir / "amazon.pem", lab.dir / "amazon.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
             "-subj", "/CN=route53", "-addext", "subjectAltName=DNS:route53.amazonaws.com",
             "-keyout", key, "-out", self.certificate],
            check=True, capture_output=True,
        )
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.tunnel, args=(client,), daemon=True).start()

    def tunnel(self, client):
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += client.recv(1)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        client = self.tls.wrap_socket(client, server_side=True)
        server = socket.create_connection(self.upstream)
        threading.Thread(target=pour, args=(client, server), daemon=True).start()
        pour(server, client)


def pour(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
