// SPDX-License-Identifier: MIT
//
// The storage that install_storage() gives to OpenTelemetry; nothing here is for users.
//
// A context variable holds a list of attachments, the last one first. Attach puts one in front.
// Copies of a context share the list, so a child begins with its parent's active span.
//
// OpenTelemetry's tokens may be detached twice (by a call, and by their destructor), in any order,
// on any thread, and in another context than their own. A token says nothing of where it was made.
// So the storage keeps, for each token that lives, its attachment, and an attachment knows its own
// context. If a token is detached elsewhere, its attachment is marked as ended. The attachment's
// own context leaves it out from then on; a copy that was made meanwhile keeps it, as a child keeps
// its parent's span.
#ifndef CONTEXTVARS_OPENTELEMETRY_CONTEXT_STORAGE_HPP
#define CONTEXTVARS_OPENTELEMETRY_CONTEXT_STORAGE_HPP

#include <contextvars/context_var.hpp>

#include <opentelemetry/context/runtime_context.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace contextvars::inline v0::opentelemetry::detail {

namespace api = ::opentelemetry::context;

struct attachment;

/// A share in an attachment, and so in those below it; or none.
class attachments {
public:
    attachments() noexcept = default;
    /// Takes over a share.
    explicit attachments(attachment* first) noexcept : first_(first) {}
    inline attachments(const attachments& other) noexcept;
    attachments(attachments&& other) noexcept : first_(std::exchange(other.first_, nullptr)) {}
    attachments& operator=(attachments other) noexcept {
        std::swap(first_, other.first_);
        return *this;
    }
    inline ~attachments();

    attachment* first() const noexcept { return first_; }
    /// Returns: the share, which is the caller's from now on.
    attachment* release() noexcept { return std::exchange(first_, nullptr); }

    friend bool operator==(const attachments&, const attachments&) noexcept = default;

private:
    attachment* first_ = nullptr;
};

struct attachment {
    const api::Context context;
    attachments below;
    Token<bool> own; ///< can be reset in the context in which this was attached, and only there
    std::atomic<bool> ended{false}; ///< the token was detached, but not in that context
    std::atomic<std::uint32_t> shares{1};
};

inline attachments::attachments(const attachments& other) noexcept : first_(other.first_) {
    // Relaxed: who copies a share has one, and says so to other threads by other means.
    if (first_ != nullptr)
        first_->shares.fetch_add(1, std::memory_order_relaxed);
}

// A loop: lists may be long, if tokens were lost. User code may run here, since contexts own spans.
inline attachments::~attachments() {
    // Release: other threads' uses come before the deletion. Acquire: the deletion comes after them.
    while (first_ != nullptr && first_->shares.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        attachment* const last = first_;
        first_ = last->below.release();
        delete last;
    }
}

/// The attachments of the tokens that live. Threads: several at once.
class live_tokens {
public:
    void add(const api::Token* token, attachments attached) {
        shard& place = shard_of(token);
        const std::lock_guard lock(place.lock);
        // What is dropped after the lock: left by a token that was detached in another storage.
        std::swap(place.attached[token], attached);
    }
    /// Returns: the token's attachment, once; then none.
    attachments take(const api::Token* token) noexcept {
        shard& place = shard_of(token);
        const std::lock_guard lock(place.lock);
        const auto found = place.attached.find(token);
        if (found == place.attached.end())
            return {};
        attachments taken = std::move(found->second);
        place.attached.erase(found);
        return taken;
    }

    /// One of the locks, always the same for one address.
    std::mutex& lock_of(const void* address) noexcept { return shard_of(address).lock; }
    void take_locks() noexcept {
        for (shard& each : shards_)
            each.lock.lock();
    }
    void give_locks() noexcept {
        for (shard& each : shards_)
            each.lock.unlock();
    }

private:
    struct alignas(64) shard { // a cache line
        std::mutex lock;
        std::unordered_map<const api::Token*, attachments> attached;
    };

    shard& shard_of(const void* address) noexcept {
        // The multiplication brings the low bits, which differ, to the top.
        return shards_[reinterpret_cast<std::uintptr_t>(address) * 0x9E3779B97F4A7C15U >> 58];
    }

    std::array<shard, 64> shards_;
};

class context_storage final : public api::RuntimeContextStorage {
public:
    api::Context GetCurrent() noexcept override {
        const attachment* const top = settled();
        return top != nullptr ? top->context : api::Context();
    }

    ::opentelemetry::nostd::unique_ptr<api::Token>
    Attach(const api::Context& context) noexcept override {
        auto token = this->CreateToken(context);
        settled();
        const attachments* const below = current_.try_get();
        // OpenTelemetry lets nothing be thrown here: without memory the program ends, as with its own
        // storage. NOLINTNEXTLINE(bugprone-unhandled-exception-at-new)
        attachments attached(new attachment{context, below != nullptr ? *below : attachments(),
                                            attaching_.set(true)});
        live_.add(token.get(), attached);
        current_.set(std::move(attached));
        return token;
    }

    bool Detach(api::Token& token) noexcept override {
        const attachments attached = live_.take(&token);
        if (attached.first() == nullptr)
            return false;
        attachment& detached = *attached.first();
        const bool is_current = has_now(detached);
        // Release: a thread that reads the mark may use `own`, which was read here.
        if (attaching_.try_reset(detached.own) != reset_result::ok)
            detached.ended.store(true, std::memory_order_release);
        // What was attached after it in this context goes with it, as in OpenTelemetry's own
        // storage: it is of code that is over.
        if (is_current)
            current_.set(detached.below);
        return is_current;
    }

    void take_locks() noexcept { live_.take_locks(); }
    void give_locks() noexcept { live_.give_locks(); }

private:
    /// Leaves out what was detached elsewhere.
    /// Returns: the attachment that is current, or nullptr.
    const attachment* settled() noexcept {
        for (;;) {
            const attachments* const now = current_.try_get();
            attachment* const top = now != nullptr ? now->first() : nullptr;
            // Acquire: pairs with the release in Detach.
            if (top == nullptr || !top->ended.load(std::memory_order_acquire)) [[likely]]
                return top;
            if (!end_here(*top))
                return top;
            current_.set(top->below);
        }
    }

    /// Returns: whether this is the attachment's own context, and not a copy. If so, only once.
    bool end_here(attachment& ended) noexcept {
        // Copies of the context may be current on other threads, and ask the same.
        const std::lock_guard lock(live_.lock_of(&ended));
        return attaching_.try_reset(ended.own) == reset_result::ok;
    }

    bool has_now(const attachment& wanted) const noexcept {
        const attachments* const now = current_.try_get();
        const attachment* at = now != nullptr ? now->first() : nullptr;
        while (at != nullptr && at != &wanted)
            at = at->below.first();
        return at != nullptr;
    }

    ContextVar<attachments> current_{"opentelemetry"};
    ContextVar<bool> attaching_{"opentelemetry.attaching"}; // only its tokens matter
    live_tokens live_;
};

} // namespace contextvars::inline v0::opentelemetry::detail

#endif
