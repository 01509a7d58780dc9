import signal
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult

port, folder, cert, key, user, password = sys.argv[1:]


class Handler(Mailbox):
    put_off = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never"):
            return "550 5.1.1 <%s>: no such person" % address
        if address.startswith("later") and address not in self.put_off:
            self.put_off.add(address)
            return "451 4.2.1 <%s>: come back later" % address
        envelope.rcpt_tos.append(address)
        return "250 OK"


def login(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (user.encode(), password.encode())
    return AuthResult(success=right, handled=True)


context = None
if cert:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
Controller(
    Handler(folder), hostname="127.0.0.1", port=int(port), tls_context=context, require_starttls=bool(cert),
    auth_required=bool(user), authenticator=login if user else None,
).start()
signal.pause()
