// SPDX-License-Identifier: MIT
#include "exports.hpp"

#include <contextvars/errors.hpp>

#include "characters.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>

namespace contextvars::inline v0::propagation::detail {

namespace {

// A list is replaced when it grows, so that codecs, which are the program's code, run without
// the lock. It is not destroyed, since Exports of other files may end after this one's objects.
struct state {
    std::mutex mutex;
    std::shared_ptr<export_list> list;
};
state& the_state() {
    static state& only = *new state;
    return only;
}
// Relaxed: it only says that the lock may be left out; who exports at the start is before all that
// inject.
constinit std::atomic<bool> any{false};

} // namespace

std::shared_ptr<const export_list> exports() noexcept {
    if (!any.load(std::memory_order_relaxed))
        return nullptr;
    state& now = the_state();
    const std::lock_guard lock(now.mutex);
    return now.list;
}

void add_exported(std::shared_ptr<const exported> what) {
    const std::string& key = what->key();
    if (key.empty() || skip(key, 0, token) != key.size())
        throw ValueError("export_as: the key '" + key +
                         "' is no token of HTTP: letters, digits and !#$%&'*+-.^_`|~");
    state& now = the_state();
    const std::lock_guard lock(now.mutex);
    auto list = now.list == nullptr ? std::make_shared<export_list>()
                                    : std::make_shared<export_list>(*now.list);
    for (const auto& other : *list)
        if (other->key() == key)
            throw RuntimeError("export_as: another variable is exported as '" + key + "'");
    list->push_back(std::move(what));
    now.list = std::move(list);
    any.store(true, std::memory_order_relaxed);
}

void remove_exported(const exported* what) noexcept {
    state& now = the_state();
    const std::lock_guard lock(now.mutex);
    // In place, which takes no memory: by the precondition of export_as() nobody reads it.
    std::erase_if(*now.list, [&](const auto& other) { return other.get() == what; });
    any.store(!now.list->empty(), std::memory_order_relaxed);
}

} // namespace contextvars::inline v0::propagation::detail
