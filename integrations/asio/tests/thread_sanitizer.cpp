// SPDX-License-Identifier: MIT

/// any_io_executor counts a large executor's holders by a release and, at the last, an acquire fence, which
/// ThreadSanitizer does not know: it takes the last one's delete for a race with the one before.
extern "C" const char* __tsan_default_suppressions() {
    return "race:asio::execution::detail::shared_target_executor::~shared_target_executor\n";
}
