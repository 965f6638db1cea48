// SPDX-License-Identifier: MIT
#include "current/thread_state.hpp"

#include <contextvars/coroutine.hpp>

#include <optional>
#include <utility>

namespace contextvars::inline v0::detail {

/// One coroutine that this thread resumes for carried(), and the bindings to resume it with next.
class carrier {
public:
    carrier(thread_state* state, std::coroutine_handle<> coroutine, ext::snapshot captured) noexcept
        : state_(state), coroutine_(coroutine), next_(std::move(captured)),
          before_(state != nullptr ? std::exchange(state->carrying, this) : nullptr) {}
    carrier(const carrier&) = delete;
    carrier& operator=(const carrier&) = delete;
    ~carrier() {
        if (state_ != nullptr)
            state_->carrying = before_;
    }

    /// Returns: whether it will resume the coroutine.
    bool takes(std::coroutine_handle<> coroutine, ext::snapshot& captured) noexcept {
        if (coroutine_ != coroutine)
            return false;
        next_ = std::move(captured);
        return true;
    }

    void run() {
        while (auto captured = std::exchange(next_, std::nullopt)) {
            const ext::copy_scope scope(*std::move(captured));
            coroutine_.resume();
        }
    }

private:
    thread_state* const state_; // nullptr without memory for one
    const std::coroutine_handle<> coroutine_;
    std::optional<ext::snapshot> next_;
    carrier* const before_;
};

void resume_carried(std::coroutine_handle<> coroutine, ext::snapshot captured) {
    thread_state* const state = try_this_thread();
    if (state != nullptr && state->carrying != nullptr &&
        state->carrying->takes(coroutine, captured))
        return;
    carrier(state, coroutine, std::move(captured)).run();
}

} // namespace contextvars::inline v0::detail
