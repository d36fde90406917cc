"""Users who may log in to a test's Postfix."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.mta.postfix import PATH
from tests.mta.postfix_config import HOSTNAME


def only_with_login(folder: Path, user: str, password: str, mechanism: str) -> dict[str, str]:
    """Parameters of a Postfix that takes mail from `user` only, who logs in by `mechanism`, over TLS.

    `folder` must be `sasl` beside its main.cf, where Debian's Postfix looks for smtpd.conf whatever its parameters.
    """
    folder.mkdir(parents=True)
    users = folder / "sasldb2"
    program = shutil.which("saslpasswd2", path=PATH)
    subprocess.run(  # noqa: S603 - no input from outside
        [str(program), "-p", "-c", "-f", str(users), "-u", HOSTNAME, user],
        input=password.encode(),
        capture_output=True,
        check=True,
    )
    shutil.chown(users, "postfix")
    (folder / "smtpd.conf").write_text(
        f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {users}\nmech_list: PLAIN LOGIN\n"
    )
    return {
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_local_domain": HOSTNAME,
        "smtpd_sasl_mechanism_filter": mechanism,
        "smtpd_tls_auth_only": "yes",
        "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
    }
