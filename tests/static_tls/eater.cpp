// SPDX-License-Identifier: MIT
//
// A module that takes BYTES of the static TLS space.
namespace {
__attribute__((tls_model("initial-exec"))) thread_local char taken[BYTES];
} // namespace

extern "C" char* eaten() { return taken; }
