# SPDX-License-Identifier: MIT
"""peer.py URL: as ../js/peer.mjs, with Python's own OpenTelemetry."""

import json
import sys
import threading
import traceback
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

service = sys.argv[1]
w3c = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
received = {}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        global received
        self.rfile.read(int(self.headers["content-length"]))
        received = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
own = f"http://127.0.0.1:{server.server_port}/"


def hop(headers):
    body = json.dumps([{"url": own, "arguments": []}]).encode()
    request = urllib.request.Request(service, body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200
    return received


def through(context):
    carrier = {}
    w3c.inject(carrier, context)
    headers = hop(carrier)
    return carrier, headers, w3c.extract(headers)


def span(flags, state=None):
    span_context = trace.SpanContext(TRACE_ID, SPAN_ID, True, trace.TraceFlags(flags), state)
    return trace.set_span_in_context(trace.NonRecordingSpan(span_context), Context())


def test_ids_and_flags_are_kept():
    for flags in (0, 1):
        got = trace.get_current_span(through(span(flags))[2]).get_span_context()
        assert got.trace_id == TRACE_ID and got.span_id != SPAN_ID and got.trace_flags == flags, got


def test_the_state_is_kept_byte_for_byte():
    state = trace.TraceState([("rojo", "00f067aa0ba902b7"), ("congo", "t61 rcWkgMzE")])
    carrier, headers, context = through(span(1, state))
    assert headers["tracestate"] == carrier["tracestate"]
    assert trace.get_current_span(context).get_span_context().trace_state.to_header() == state.to_header()


def test_the_baggage_is_kept_byte_for_byte():
    context = Context()
    entries = {"user": "Amélie Ω 😀", "text": "a+b c,d;e=f%g", "tenant": "7"}
    for key, value in entries.items():
        context = baggage.set_baggage(key, value, context)
    carrier, headers, got = through(context)
    assert headers["baggage"] == carrier["baggage"], (headers, carrier)
    assert dict(baggage.get_all(got)) == entries, baggage.get_all(got)


def test_properties_reach_the_peer_which_takes_them_for_a_part_of_the_value():
    headers = hop({"baggage": "k=v;p=1,l=2"})
    assert headers["baggage"] == "k=v;p=1,l=2"
    assert baggage.get_baggage("l", w3c.extract(headers)) == "2"


failed = 0
for name, run in [(n, f) for n, f in globals().items() if n.startswith("test_")]:
    try:
        run()
        print(f"passed: python: {name[5:].replace('_', ' ')}")
    except Exception:
        failed += 1
        print(f"FAILED: python: {name[5:].replace('_', ' ')}\n{traceback.format_exc()}")
sys.exit(bool(failed))
