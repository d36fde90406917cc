"""The configuration of a Postfix that touches nothing outside its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.reserved import HOST

HOSTNAME = "mail.customer.example"
ANYBODY = "customer.example"
"""Each recipient in this domain has a mailbox: the same one."""
NOBODY = "vacant.example"
"""No recipient in this domain has a mailbox."""
NOBODY_UID = 65534
"""The user that owns the mailbox."""

# service, type, private, unprivileged, wake-up time, process limit, program; none is put into a chroot.
_SERVICES = """\
cleanup     unix        n  -  -      0  cleanup
qmgr        unix        n  -  300    1  qmgr
tlsmgr      unix        -  -  1000?  1  tlsmgr
rewrite     unix        -  -  -      -  trivial-rewrite
bounce      unix        -  -  -      0  bounce
defer       unix        -  -  -      0  bounce
trace       unix        -  -  -      0  bounce
error       unix        -  -  -      -  error
retry       unix        -  -  -      -  error
virtual     unix        -  n  -      -  virtual
anvil       unix        -  -  -      1  anvil
postlog     unix-dgram  n  -  -      1  postlogd
"""


def main_cf(folder: Path, certificate: Path, parameters: Mapping[str, str]) -> str:
    """`parameters` go before what stands here."""
    defaults = {
        "compatibility_level": "3.6",
        "queue_directory": f"{folder}/queue",
        "data_directory": f"{folder}/data",
        "maillog_file": f"{folder}/mail.log",
        "maillog_file_prefixes": f"{folder}",
        "myhostname": HOSTNAME,
        "mydestination": "",
        "mynetworks": "",
        "inet_interfaces": HOST,
        "inet_protocols": "ipv4",
        "smtpd_peername_lookup": "no",  # asks no name server
        "local_recipient_maps": "",
        "alias_maps": "",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": f"{certificate}",
        "smtpd_tls_received_header": "yes",
        # Neither slows a client down, which is meant for machines under load.
        "in_flow_delay": "0",
        "smtpd_error_sleep_time": "0",
        # virtual(8) delivers to one maildir, and writes the recipient into each message.
        "virtual_mailbox_domains": f"{ANYBODY}, {NOBODY}",
        "virtual_mailbox_maps": f"inline:{{ @{ANYBODY}=maildir/ }}",
        "virtual_mailbox_base": f"{folder}",
        "virtual_uid_maps": f"static:{NOBODY_UID}",
        "virtual_gid_maps": f"static:{NOBODY_UID}",
        "virtual_mailbox_limit": "0",
    }
    return "".join(f"{name} = {value}\n" for name, value in (defaults | dict(parameters)).items())


def master_cf(starttls_port: int, implicit_port: int) -> str:
    services = [line.split() for line in _SERVICES.splitlines()]
    lines = [
        f"{HOST}:{starttls_port} inet n - n - - smtpd",
        f"{HOST}:{implicit_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes",
        *(
            f"{name} {kind} {private} {unprivileged} n {wake_up} {limit} {program}"
            for name, kind, private, unprivileged, wake_up, limit, program in services
        ),
    ]
    return "\n".join(lines) + "\n"
