#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Speaks Varlink to ebphd, with nothing of ebph's own: what a client in another language meets.

usage: control.py SOCKET PATH_OF_A_PROGRAM_WITH_A_PROFILE
Prints a line for each thing that is not as it should be; exit status 1 then.
"""
import base64
import json
import socket
import sys

bad = 0


def check(good, what):
    global bad
    if not good:
        bad = 1
        print("not so:", what)


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(sys.argv[1])
        self.waiting = b""

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """The next reply; None at the end of the connection."""
        while b"\0" not in self.waiting:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.waiting += data
        frame, self.waiting = self.waiting.split(b"\0", 1)
        return json.loads(frame)

    def call(self, method, parameters=None, **more):
        call = dict(method=method, **more)
        if parameters is not None:
            call["parameters"] = parameters
        self.send(json.dumps(call).encode() + b"\0")
        return self.reply()

    def parts(self, method, parameters=None):
        """All parts of a long answer."""
        reply = self.call(method, parameters, more=True)
        yield reply
        while reply.get("continues"):
            reply = self.reply()
            yield reply


def ask(method, parameters=None, **more):
    return Client().call(method, parameters, **more)


def fails(error, method, parameters=None, **more):
    reply = ask(method, parameters, **more)
    check(reply and reply.get("error") == error, f"{method} {parameters}: {reply}")
    return reply["parameters"] if reply else {}


SERVICE = "org.varlink.service."
OURS = "org.ebph.Enforcer."

# Introspection.
info = ask(SERVICE + "GetInfo")["parameters"]
check(info["product"] == "ebphd", info)
check(info["interfaces"] == ["org.varlink.service", "org.ebph.Enforcer"], info)
for name in info["interfaces"]:
    text = ask(SERVICE + "GetInterfaceDescription", {"interface": name})
    check(f"\ninterface {name}\n" in text["parameters"]["description"], text)
check(fails(SERVICE + "InterfaceNotFound", SERVICE + "GetInterfaceDescription",
            {"interface": "org.example"})["interface"] == "org.example", "the name")

# What it does not know, or does not take.
check(fails(SERVICE + "MethodNotFound", OURS + "Nothing")["method"] == OURS + "Nothing", "name")
fails(SERVICE + "InterfaceNotFound", "org.example.Nothing")
fails(SERVICE + "InterfaceNotFound", "x")
check(fails(SERVICE + "InvalidParameter", OURS + "Status", {"x": 1})["parameter"] == "x", "x")
fails(SERVICE + "InvalidParameter", OURS + "GetProfile")
fails(SERVICE + "InvalidParameter", OURS + "GetProfile", {"name": 1})
fails(SERVICE + "InvalidParameter", OURS + "ChangeProfile", {"name": "x", "verb": "praise"})
fails(SERVICE + "InvalidParameter", OURS + "Mode", {"mode": "kind"})
fails(SERVICE + "InvalidParameter", OURS + "SetOption",
      {"section": "log", "name": "events", "value": "/x\n[enforcer]\nmode = enforce"})
fails(SERVICE + "ExpectedMore", OURS + "ListProfiles")
fails(SERVICE + "MethodNotImplemented", OURS + "Status", upgrade=True)
check(fails(OURS + "NoSuchProfile", OURS + "GetProfile", {"name": "/no"})["name"] == "/no", "/no")
fails(OURS + "NoSuchProcess", OURS + "Explain", {"pid": 4194304})
fails(OURS + "NotDelayed", OURS + "Release", {"pid": 1})
fails(OURS + "NotDelayed", OURS + "Release", {"pid": -1})
fails(OURS + "NotDelayed", OURS + "Release", {"pid": 4294967295})

# Answers.
status = ask(OURS + "Status", None)["parameters"]["status"]
check(status["mode"] == "dry-run" and status["profiles_normal"] >= 1, status)
check("name" in (status["counters"] or [{"name": 1}])[0], status)
profile = ask(OURS + "GetProfile", {"name": sys.argv[2]})["parameters"]["profile"]
check(profile["path"] == sys.argv[2] and profile["state"] == "normal", profile)
profiles = [p for part in Client().parts(OURS + "ListProfiles") for p in
            part["parameters"]["profiles"]]
check(profile["id"] in [p["id"] for p in profiles], profiles)
processes = [p for part in Client().parts(OURS + "ListProcesses", {"threads": True})
             for p in part["parameters"]["processes"]]
check(any("python" in p["path"] for p in processes), processes)
pairs = [p for part in Client().parts(OURS + "ListPairs", {"name": sys.argv[2]})
         for p in part["parameters"]["pairs"]]
check(len(pairs) == profile["pairs"], f"{len(pairs)} pairs of {profile}")
events = list(Client().parts(OURS + "ListEvents", {"names": ["state"], "path": sys.argv[2]}))
check(events[-2]["parameters"]["event"]["after"] == "normal", events)
check(events[-1]["parameters"] == {}, events)

# Several calls at once, in pieces, with null for what is left out.
client = Client()
call = json.dumps({"method": OURS + "Mode", "parameters": {"mode": None}, "more": False})
for byte in (call + "\0" + call + "\0").encode():
    client.send(bytes([byte]))
check(client.reply()["parameters"]["mode"] == "dry-run", "the first")
check(client.reply()["parameters"]["mode"] == "dry-run", "the second")

# The last call counts, though nothing more can be sent; one that wants no reply gets none.
client = Client()
client.send(json.dumps({"method": OURS + "Mode", "oneway": True}).encode() + b"\0")
client.send(json.dumps({"method": OURS + "Status"}).encode() + b"\0")
client.socket.shutdown(socket.SHUT_WR)
check("status" in client.reply()["parameters"], "an answer after the last call")
check(client.reply() is None, "and then the end")

# What is no call ends the connection, and no more than that.
for nonsense in (b"\0", b"{\0", b"[]\0", b"{}\0", b'{"method":1}\0', b'{"method":"x","more":1}\0',
                 b'{"method":"x","parameters":[]}\0', b'{"method":"x","method":"y"}\0',
                 b"\xff\xfe\0", b"[" * 60000 + b"\0", b'{"method":"a\\u0000b"}\0'):
    client = Client()
    client.send(nonsense)
    check(client.reply() is None, f"{nonsense[:40]} was answered")
client = Client()
try:
    for i in range(100):
        client.send(b" " * 65536)
    check(client.reply() is None, "a long frame was answered")
except (BrokenPipeError, ConnectionResetError):
    pass

# Those who follow are told at once.
follower = Client()
reply = follower.call(OURS + "ListEvents", {"follow": True, "names": ["operator"]}, more=True) \
    if not ask(OURS + "ChangeProfile", {"name": sys.argv[2], "verb": "sensitize"}).get("error") \
    else {}
check(reply["parameters"]["event"]["verb"] == "sensitize", reply)
ask(OURS + "ChangeProfile", {"name": sys.argv[2], "verb": "normalize"})
reply = follower.reply()
check(reply["parameters"]["event"]["verb"] == "normalize" and reply["continues"], reply)
# A profile as a file: out, and in again in two parts; then what is none.
exported = b"".join(base64.b64decode(part["parameters"]["data"])
                    for part in Client().parts(OURS + "ExportProfile", {"name": sys.argv[2]}))
check(exported[:8] == b"EBPHPROF" and len(exported) > 160, exported[:160])


def import_parts(*parts):
    client = Client()
    for part in parts[:-1]:
        reply = client.call(OURS + "ImportProfile", {"data": base64.b64encode(part).decode(),
                                                     "continues": True})
        check(reply == {"parameters": {}}, reply)
    return client.call(OURS + "ImportProfile", {"data": base64.b64encode(parts[-1]).decode()})


reply = import_parts(exported[:100], exported[100:])
check(reply["parameters"]["profile"]["path"] == sys.argv[2] and reply["parameters"]["united"],
      reply)
for parts in ((b"",), (exported[:100],), (exported, exported), (exported[1:],)):
    check(import_parts(*parts).get("error") == OURS + "BadProfile", f"{len(parts)} parts were taken")
check(import_parts(*[b"x" * 40000] * 6).get("error") == OURS + "BadProfile", "too much was taken")
fails(SERVICE + "InvalidParameter", OURS + "ImportProfile", {"data": "no base64"})
fails(SERVICE + "ExpectedMore", OURS + "ExportProfile", {"name": sys.argv[2]})
check(fails(OURS + "NoSuchEvent", OURS + "Explain", {"event": 1 << 40})["event"] == 1 << 40, "40")
fails(SERVICE + "InvalidParameter", OURS + "Explain", {"event": 1, "pid": 1})
sys.exit(bad)
