"""Temporal's real server with its default authorizer: it wants a client certificate and a JWT."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Final

import jwt
import trustme
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from google.protobuf.duration_pb2 import Duration
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, TLSConfig

from local.embedded.process import ChildProcess, EmbeddedServerError
from local.embedded.temporal_build import TemporalPrograms
from local.running import Running
from local.stand_ins.http_server import Answer, HttpServer, Request
from temporal.client import DATA_CONVERTER
from tests.production.temporal_server import DYNAMIC_CONFIG, SMALL_PORTS, START_SECONDS, STOP_SECONDS
from tests.support.reserved import HOST, ReservedPort
from tests.support.scene import PATIENCE
from tests.support.tls_front import write_client_certificate

SERVICES: Final = ("frontend", "internal-frontend", "matching", "history", "worker")
NAMESPACE: Final = "default"
ALGORITHM: Final = "RS256"


class SecuredServer(Running):
    """All services in one process, with the data in a file. `folder` gets it, the keys and the certificates."""

    def __init__(self, programs: TemporalPrograms, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._ports = {(name, kind): ReservedPort(SMALL_PORTS) for name in SERVICES for kind in ("grpc", "membership")}
        self._signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._keys = HttpServer(self._answer_keys)
        self._authority = trustme.CA()
        self._process: ChildProcess | None = None
        self.certificate, self.key = folder / "client.pem", folder / "client.key"
        self.trusted = folder / "authority.pem"
        """The files of a client."""

    @property
    def address(self) -> str:
        return f"localhost:{self._ports['frontend', 'grpc'].number}"

    def token(self, *permissions: str, seconds: float = 3600) -> str:
        """A JWT with permissions such as `default:write`."""
        claims = {"sub": "expiry", "permissions": permissions, "exp": time.time() + seconds}
        return jwt.encode(claims, self._signing, algorithm=ALGORITHM, headers={"kid": "ours"})

    async def connect(self, token: str, *, certificate: bool = True) -> Client:
        """Connects with the certificate or without one."""
        tls = TLSConfig(
            server_root_ca_cert=self.trusted.read_bytes(),
            client_cert=self.certificate.read_bytes() if certificate else None,
            client_private_key=self.key.read_bytes() if certificate else None,
        )
        return await Client.connect(
            self.address, namespace=NAMESPACE, api_key=token, tls=tls, data_converter=DATA_CONVERTER
        )

    async def start(self) -> None:
        """Starts it, and returns once it knows the namespace. Raises EmbeddedServerError with the end of its log."""
        self._write_certificates()
        config = self._folder / "config.yaml"
        config.write_text(yaml.safe_dump(self._config(await self._keys.start(HOST, 0))), encoding="utf-8")
        services = [argument for name in SERVICES for argument in ("--service", name)]
        self._process = ChildProcess(
            [str(self._programs.server), "--config-file", str(config), "start", *services],
            log_file=self._folder / "server.log",
            death_signal=signal.SIGKILL,
            environment={"PATH": os.environ["PATH"]},
        )
        if not await self._process.becomes(self._answers, START_SECONDS):
            why = self._process.why_not_ready()
            await self.stop()
            raise EmbeddedServerError(f"Temporal's server {why}")
        await self._make_namespace()

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.end((signal.SIGTERM, STOP_SECONDS))
            self._process = None
        await self._keys.stop()
        for port in self._ports.values():
            port.release()

    async def _answers(self) -> bool:
        try:
            await self.connect(self.token("temporal-system:admin"))
        except (OSError, RPCError, RuntimeError):
            return False
        return True

    async def _make_namespace(self) -> None:
        client = await self.connect(self.token("temporal-system:admin", f"{NAMESPACE}:admin"))
        month = Duration(seconds=30 * 86_400)
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(namespace=NAMESPACE, workflow_execution_retention_period=month)
        )
        known = False
        async with asyncio.timeout(PATIENCE):
            while not known:
                try:
                    await client.operator_service.list_search_attributes(
                        ListSearchAttributesRequest(namespace=NAMESPACE)
                    )
                    known = True
                except RPCError:
                    await asyncio.sleep(0.2)  # the front end reads the namespaces every ten seconds

    def _write_certificates(self) -> None:
        self._authority.cert_pem.write_to_path(self.trusted)
        own = self._authority.issue_cert("localhost", HOST)
        (self._folder / "server.pem").write_bytes(b"".join(part.bytes() for part in own.cert_chain_pems))
        own.private_key_pem.write_to_path(self._folder / "server.key")
        self.renew_certificate()

    def renew_certificate(self) -> None:
        """Writes another certificate of the client over the one in its files."""
        write_client_certificate(self._authority, "worker", self.certificate, self.key)

    async def _answer_keys(self, _request: Request) -> Answer:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._signing.public_key()))
        return Answer(200, {"keys": [{**key, "kid": "ours", "use": "sig", "alg": ALGORITHM}]})

    def _config(self, keys_port: int) -> dict[str, Any]:
        store = {
            "sql": {
                "pluginName": "sqlite",
                "databaseName": str(self._folder / "temporal.db"),
                "connectAddr": "localhost",
                "connectProtocol": "tcp",
                "connectAttributes": {"cache": "private", "setup": "true", "mode": "rwc", "journal_mode": "wal"},
                "maxConns": 1,
                "maxIdleConns": 1,
            }
        }
        return {
            "log": {"stdout": True, "level": "warn"},
            "persistence": {
                "defaultStore": "default",
                "visibilityStore": "visibility",
                "numHistoryShards": 4,
                "datastores": {"default": store, "visibility": store},
            },
            "global": {
                "membership": {"maxJoinDuration": "30s", "broadcastAddress": HOST},
                "authorization": {
                    "jwtKeyProvider": {
                        "keySourceURIs": [f"http://{HOST}:{keys_port}/jwks.json"],
                        "refreshInterval": "1m",
                    },
                    "permissionsClaimName": "permissions",
                    "authorizer": "default",
                    "claimMapper": "default",
                },
                "tls": {
                    "frontend": {
                        "server": {
                            "certFile": str(self._folder / "server.pem"),
                            "keyFile": str(self._folder / "server.key"),
                            "requireClientAuth": True,
                            "clientCaFiles": [str(self.trusted)],
                        },
                        "client": {"serverName": "localhost", "rootCaFiles": [str(self.trusted)]},
                    }
                },
            },
            "services": {
                name: {
                    "rpc": {
                        "grpcPort": self._ports[name, "grpc"].number,
                        "membershipPort": self._ports[name, "membership"].number,
                        "bindOnIP": HOST,
                    }
                }
                for name in SERVICES
            },
            "clusterMetadata": {
                "enableGlobalNamespace": False,
                "failoverVersionIncrement": 10,
                "masterClusterName": "active",
                "currentClusterName": "active",
                "clusterInformation": {
                    "active": {
                        "enabled": True,
                        "initialFailoverVersion": 1,
                        "rpcName": "frontend",
                        "rpcAddress": f"{HOST}:{self._ports['frontend', 'grpc'].number}",
                    }
                },
            },
            "dcRedirectionPolicy": {"policy": "noop"},
            "dynamicConfigClient": {"filepath": str(DYNAMIC_CONFIG), "pollInterval": "10s"},
        }
