import pathlib
import sys
import threading
import uuid

from aiosmtpd.controller import Controller

port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
tries = {}


class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 nobody of that name"
        tries[address] = tries.get(address, 0) + 1
        if address.startswith("later@") and tries[address] < 3:
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        half = folder / f".{uuid.uuid4()}"
        half.write_bytes(envelope.original_content)
        half.rename(folder / f"{uuid.uuid4()}.eml")
        return "250 taken"


Controller(Keep(), hostname="127.0.0.1", port=port).start()
threading.Event().wait()
