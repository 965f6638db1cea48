// SPDX-License-Identifier: MIT
//
// OpenTelemetry's current context, and so the active span, follows coroutines, callbacks and
// threads as context variables do. One call at the start of main does it; instrumentation stays as
// it is. It needs OpenTelemetry's API alone. What follows what: docs/opentelemetry.md.
//
//     contextvars::opentelemetry::install_storage();
//     …
//     opentelemetry::trace::Scope scope(span);       // in a coroutine of contextvars::awaitable
//     co_await timer.async_wait(use_awaitable);      // other requests run meanwhile
//     auto child = tracer->StartSpan("child");       // span is its parent, on whatever thread
#ifndef CONTEXTVARS_OPENTELEMETRY_HPP
#define CONTEXTVARS_OPENTELEMETRY_HPP

#include <opentelemetry/version.h>

#if !defined(OPENTELEMETRY_VERSION_MAJOR) || !defined(OPENTELEMETRY_VERSION_MINOR) ||              \
    OPENTELEMETRY_VERSION_MAJOR < 1 ||                                                             \
    (OPENTELEMETRY_VERSION_MAJOR == 1 && OPENTELEMETRY_VERSION_MINOR < 19)
#error                                                                                             \
    "<contextvars/opentelemetry.hpp> needs OpenTelemetry C++ 1.19 or newer: update it (Debian 12 \
has 1.19 in bookworm-backports), or put the newer one first in the include path"
#endif

#include <contextvars/opentelemetry/context_storage.hpp>

#include <contextvars/errors.hpp>

#include <opentelemetry/context/runtime_context.h>

#include <pthread.h>

#include <new>
#include <string>
#include <typeinfo>

namespace contextvars::inline v0::opentelemetry {

/// From now on, OpenTelemetry's current context is part of the current context of this library. The
/// storage is never destroyed: it serves static destructors and threads that end late.
/// Precondition: no other thread uses OpenTelemetry yet.
/// Throws: RuntimeError if it was called before; if the program has a storage that is not
/// OpenTelemetry's own; if a context is attached on this thread, which the new storage would not
/// find. std::bad_alloc. Then nothing has changed.
/// Threads: call it at the start of main, once in a process.
inline void install_storage() {
    namespace api = ::opentelemetry::context;
    const auto installed = api::RuntimeContext::GetConstRuntimeContextStorage();
    const api::RuntimeContextStorage& before = *installed;
    if (typeid(before) == typeid(detail::context_storage))
        throw RuntimeError("cannot install the storage of OpenTelemetry's contexts: it is "
                           "installed already; call install_storage() once, at the start of main");
    if (typeid(before) != typeid(api::ThreadLocalContextStorage))
        throw RuntimeError(std::string("cannot install the storage of OpenTelemetry's contexts: "
                                       "the program has installed another one (") +
                           typeid(before).name() +
                           "), and there can be only one; remove one of the two calls");
    if (!(api::RuntimeContext::GetCurrent() == api::Context()))
        throw RuntimeError("cannot install the storage of OpenTelemetry's contexts: a context or "
                           "span is attached already, which would be lost; call "
                           "install_storage() at the start of main, before the first span");

    static detail::context_storage* const storage = new detail::context_storage;
    // A share that is never given back.
    static const auto& share =
        *new ::opentelemetry::nostd::shared_ptr<api::RuntimeContextStorage>(storage);
    if (pthread_atfork([] { storage->take_locks(); }, [] { storage->give_locks(); },
                       [] { storage->give_locks(); }) != 0)
        throw std::bad_alloc();
    api::RuntimeContext::SetRuntimeContextStorage(share);
}

} // namespace contextvars::inline v0::opentelemetry

#endif
