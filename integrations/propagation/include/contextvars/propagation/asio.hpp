// SPDX-License-Identifier: MIT
//
// Deadlines in Asio: within_deadline(task) cancels a coroutine or an operation when the current
// deadline passes; deadline_cancellation does so for operations with handlers. It needs the
// integration with Asio (contextvars::asio), and Asio 1.22 or newer.
#ifndef CONTEXTVARS_PROPAGATION_ASIO_HPP
#define CONTEXTVARS_PROPAGATION_ASIO_HPP

#include <contextvars/asio.hpp>
#include <contextvars/propagation/variables.hpp>

#if CONTEXTVARS_ASIO_VERSION < 102200
#error "<contextvars/propagation/asio.hpp> needs the cancellation of Asio 1.22 (Boost 1.79)"
#endif

#include CONTEXTVARS_ASIO_HEADER(bind_cancellation_slot.hpp)
#include CONTEXTVARS_ASIO_HEADER(cancellation_signal.hpp)
#include CONTEXTVARS_ASIO_HEADER(cancellation_state.hpp)
#include CONTEXTVARS_ASIO_HEADER(co_spawn.hpp)
#include CONTEXTVARS_ASIO_HEADER(dispatch.hpp)
#include CONTEXTVARS_ASIO_HEADER(error.hpp)
#include CONTEXTVARS_ASIO_HEADER(steady_timer.hpp)
#include CONTEXTVARS_ASIO_HEADER(strand.hpp)
#include CONTEXTVARS_ASIO_HEADER(this_coro.hpp)
#include CONTEXTVARS_ASIO_HEADER(use_awaitable.hpp)

#include <memory>
#include <utility>

namespace contextvars::inline v0::propagation::inline CONTEXTVARS_ASIO_NAMESPACE {

#if defined(CONTEXTVARS_ASIO_STANDALONE)
using error_code = ::asio::error_code;
using system_error = ::asio::system_error;
#else
/// That of the chosen Asio.
using error_code = ::boost::system::error_code;
/// That of the chosen Asio.
using system_error = ::boost::system::system_error;
#endif

namespace asio_detail {

/// Used on one executor at a time.
struct cancellation {
    net::cancellation_signal signal;
    bool late = false;      ///< the deadline has passed
    bool cancelled = false; ///< for whatever reason

    void emit(net::cancellation_type type) {
        cancelled = true;
        signal.emit(type);
    }
};

template <class T, class Strand>
contextvars::awaitable<T> run_cancelled_by(std::shared_ptr<cancellation> shared, Strand strand,
                                           net::awaitable<T> task) {
    // From here on all is on the strand. It may have been cancelled before.
    if (shared->cancelled)
        throw system_error(net::error::operation_aborted);
    co_return co_await net::co_spawn(
        strand, std::move(task),
        net::bind_cancellation_slot(shared->signal.slot(), net::use_awaitable));
}

} // namespace asio_detail

/// Emits a terminal cancellation when a deadline passes; soon, if it has passed. Bind its slot to a
/// handler: `async_x(…, bind_cancellation_slot(limit.slot(), handler))`.
class deadline_cancellation {
public:
    /// Precondition: the executor runs one handler at a time, and those of the operation: an
    /// io_context that one thread runs, or a strand. (No operation may be cancelled on one thread
    /// while another starts or completes it.)
    explicit deadline_cancellation(const net::any_io_executor& executor,
                                   deadline until = current_deadline.get())
        : shared_(std::make_shared<asio_detail::cancellation>()), timer_(executor) {
        if (!until)
            return;
        timer_.expires_at(until.at());
        timer_.async_wait([shared = shared_](const error_code& error) {
            if (error)
                return;
            shared->late = true;
            shared->emit(net::cancellation_type::terminal);
        });
    }

    /// Returns: the slot, for one operation at a time. It is good for as long as the object.
    net::cancellation_slot slot() noexcept { return shared_->signal.slot(); }
    /// Returns: whether the deadline has passed and cancelled what was bound.
    bool late() const noexcept { return shared_->late; }

private:
    template <class T>
    friend contextvars::awaitable<T> within_deadline(net::awaitable<T> task);

    std::shared_ptr<asio_detail::cancellation> shared_; // with the timer's handler
    net::steady_timer timer_;
};

/// Awaits a coroutine, or an operation as `async_x(…, use_awaitable)`, and cancels it when the
/// current deadline passes. It runs on a strand of the current executor, in a copy of the current
/// context: the values that it sets are not seen afterwards.
/// Returns, throws: as the task; but system_error(timed_out) if it was cancelled by the deadline,
/// or if the deadline has passed before: then the task is not started. A task that ends well,
/// though late, has its result.
/// Cost: without a deadline none; else as two co_spawn, and a timer.
template <class T>
contextvars::awaitable<T> within_deadline(net::awaitable<T> task) {
    const deadline until = current_deadline.get();
    if (!until)
        co_return co_await std::move(task);
    if (until.passed())
        throw system_error(net::error::timed_out);
    const auto strand = net::make_strand(co_await net::this_coro::executor);
    deadline_cancellation limit(strand, until);
    const auto shared = limit.shared_;
    // Who cancels this coroutine cancels the task. Not by co_spawn itself, which before Asio 1.27
    // may do so when the task has ended, and what it uses is gone.
    const net::cancellation_state state = co_await net::this_coro::cancellation_state;
    auto outer = state.slot();
    if (outer.is_connected())
        outer.assign([shared, strand](net::cancellation_type type) {
            net::dispatch(strand, [shared, type] { shared->emit(type); });
        });
    try {
        co_return co_await net::co_spawn(
            strand, asio_detail::run_cancelled_by(shared, strand, std::move(task)),
            net::bind_cancellation_slot(net::cancellation_slot(), net::use_awaitable));
    } catch (const system_error& error) {
        if (error.code() == net::error::operation_aborted && shared->late)
            throw system_error(net::error::timed_out);
        throw;
    }
}

} // namespace contextvars::inline v0::propagation::inline CONTEXTVARS_ASIO_NAMESPACE

#endif
