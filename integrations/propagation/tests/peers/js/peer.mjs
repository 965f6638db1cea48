// SPDX-License-Identifier: MIT
//
// node peer.mjs URL [b3]: JavaScript's own OpenTelemetry injects, the C++ service at URL passes the
// context on, and OpenTelemetry extracts. What it reads must be what it sent.
import assert from 'node:assert/strict';
import http from 'node:http';
import { defaultTextMapGetter, defaultTextMapSetter, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { CompositePropagator, TraceState, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3';

const [service, b3] = process.argv.slice(2);
const ids = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const w3c = new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] });

let received;
const server = http.createServer((request, response) => {
  received = request.headers;
  request.resume().on('end', () => response.end('[]'));
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const own = `http://127.0.0.1:${server.address().port}/`;

/// Returns: the headers that the C++ service sends on, if it gets these.
async function hop(headers) {
  received = undefined;
  const response = await fetch(service, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify([{ url: own, arguments: [] }]),
  });
  assert.equal(response.status, 200);
  assert.ok(received, 'the service called back');
  return received;
}

async function through(propagator, context) {
  const carrier = {};
  propagator.inject(context, carrier, defaultTextMapSetter);
  const headers = await hop(carrier);
  return { carrier, headers, context: propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter) };
}

const cases = {
  async 'ids and flags are kept'() {
    for (const traceFlags of [0, 1]) {
      const sent = trace.setSpanContext(ROOT_CONTEXT, { ...ids, traceFlags });
      const got = trace.getSpanContext((await through(w3c, sent)).context);
      assert.equal(got.traceId, ids.traceId);
      assert.notEqual(got.spanId, ids.spanId); // the call is a span of its own
      assert.equal(got.traceFlags, traceFlags);
    }
  },
  async 'the state is kept byte for byte'() {
    const traceState = new TraceState('rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,a@b=x y');
    const sent = trace.setSpanContext(ROOT_CONTEXT, { ...ids, traceFlags: 1, traceState });
    const { carrier, headers, context } = await through(w3c, sent);
    assert.equal(headers.tracestate, carrier.tracestate);
    assert.equal(trace.getSpanContext(context).traceState.serialize(), traceState.serialize());
  },
  async 'the baggage is kept byte for byte'() {
    const entries = {
      user: { value: 'Amélie Ω 😀' }, 'my key': { value: 'a+b c,d;e=f%g"\\' }, tenant: { value: '7' },
    };
    const { carrier, headers, context } = await through(w3c, propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage(entries)));
    assert.equal(headers.baggage, carrier.baggage);
    const got = Object.fromEntries(propagation.getBaggage(context).getAllEntries());
    assert.deepEqual(Object.keys(got), Object.keys(entries));
    for (const [key, { value }] of Object.entries(entries)) assert.equal(got[key].value, value);
  },
  async 'flags ff, which JavaScript writes with three digits, start a new trace'() {
    const sent = trace.setSpanContext(ROOT_CONTEXT, { ...ids, traceFlags: 0xff });
    const carrier = {};
    w3c.inject(sent, carrier, defaultTextMapSetter);
    assert.match(carrier.traceparent, /-0ff$/); // if this fails, its fault is mended
    const headers = await hop(carrier);
    assert.match(headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$/);
    assert.doesNotMatch(headers.traceparent, new RegExp(ids.traceId));
  },
  async 'two traceparents start a new trace'() {
    const one = `00-${ids.traceId}-${ids.spanId}-01`;
    const [to, body] = [new URL(service), JSON.stringify([{ url: own, arguments: [] }])];
    await new Promise((done, failed) => {
      const request = http.request({ host: to.hostname, port: to.port, path: to.pathname, method: 'POST' }, (r) => r.resume().on('end', done));
      request.setHeader('traceparent', [one, one]);
      request.on('error', failed).end(body);
    });
    assert.doesNotMatch(received.traceparent, new RegExp(ids.traceId));
  },
  async 'what level 2 allows and JavaScript drops goes through the service'() {
    const headers = await hop({ traceparent: `00-${ids.traceId}-${ids.spanId}-03`, tracestate: '1x=1,foo@@bar=2', baggage: 'k=,l=1;p=%20' });
    assert.equal(headers.tracestate, '1x=1,foo@@bar=2');
    assert.equal(headers.baggage, 'k=,l=1;p=%20');
    assert.match(headers.traceparent, /-03$/);
    const context = w3c.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    assert.equal(trace.getSpanContext(context).traceId, ids.traceId);
    assert.equal(propagation.getBaggage(context).getEntry('l').value, '1');
  },
  async 'the time that is left shrinks and is no timestamp'() {
    const name = 'x-envoy-expected-rq-timeout-ms';
    const left = Number((await hop({ [name]: '5000' }))[name]);
    assert.ok(left > 0 && left <= 5000, `${left}`);
  },
};
if (b3 === 'b3') {
  for (const [name, injectEncoding] of Object.entries(B3InjectEncoding).filter(([, v]) => typeof v === 'number')) {
    cases[`B3 of ${name} is kept`] = async () => {
      for (const traceFlags of [0, 1]) {
        const sent = trace.setSpanContext(ROOT_CONTEXT, { ...ids, traceFlags });
        const got = trace.getSpanContext((await through(new B3Propagator({ injectEncoding }), sent)).context);
        assert.equal(got.traceId, ids.traceId);
        assert.equal(got.traceFlags, traceFlags);
      }
    };
  }
}

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`passed: js: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: js: ${name}\n${error.stack}`);
  }
}
server.closeAllConnections();
server.close();
process.exitCode = failed ? 1 : 0;
