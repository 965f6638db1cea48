// SPDX-License-Identifier: MIT
//
// Every completion token with every kind of operation, written once and compiled twice: with Asio's awaitable
// and co_spawn (CONTEXTVARS_MATRIX_PLAIN), and with this library's in their place. Each case gives a line,
// which must be the same with both. With this library's, a line also tells if the bindings were kept.
#ifndef CONTEXTVARS_TESTS_ASIO_MATRIX_HPP
#define CONTEXTVARS_TESTS_ASIO_MATRIX_HPP

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio.hpp>
#define MATRIX_VERSION ASIO_VERSION
#define MATRIX_EXPERIMENTAL(file) <asio/experimental/file>
#define MATRIX_ASIO_BEGIN namespace asio {
#define MATRIX_ASIO_END }
namespace net = asio;
using net::error_code;
using net::system_error;
#else
#include <boost/asio.hpp>
#define MATRIX_VERSION BOOST_ASIO_VERSION
#define MATRIX_EXPERIMENTAL(file) <boost/asio/experimental/file>
#define MATRIX_ASIO_BEGIN namespace boost::asio {
#define MATRIX_ASIO_END }
namespace net = boost::asio;
using boost::system::error_code;
using boost::system::system_error;
#endif

#include MATRIX_EXPERIMENTAL(channel.hpp)
#if MATRIX_VERSION >= 102300
namespace adapt = net;
#else
#include MATRIX_EXPERIMENTAL(append.hpp)
#include MATRIX_EXPERIMENTAL(as_tuple.hpp)
#include MATRIX_EXPERIMENTAL(deferred.hpp)
#include MATRIX_EXPERIMENTAL(prepend.hpp)
namespace adapt = net::experimental;
#endif

#if defined(CONTEXTVARS_MATRIX_PLAIN)
#define MATRIX_SIDE plain
#else
#include <contextvars/asio.hpp>
#define MATRIX_SIDE ours
#endif

#include "sides.hpp"

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace matrix::MATRIX_SIDE {

#if defined(CONTEXTVARS_MATRIX_PLAIN)
using net::awaitable;
using net::co_spawn;

inline void set_mark() {}
inline bool has_mark() { return true; }
template <class Handler>
Handler bound(Handler handler) {
    return handler;
}
#else
using contextvars::awaitable;
using contextvars::co_spawn;

inline const contextvars::ContextVar<int> mark{"mark", 0};
inline void set_mark() { mark.set(1); }
inline bool has_mark() { return mark.get() == 1; }
template <class Handler>
auto bound(Handler handler) {
    return contextvars::bind_context(std::move(handler));
}
#endif

// What an operation completed with, in words.

inline std::string text(const error_code& error) { return error ? error.message() : "done"; }
inline std::string text(std::size_t number) { return std::to_string(number); }
inline std::string text(int number) { return std::to_string(number); }
inline std::string text(const std::string& given) { return given; }
inline std::string text(const std::exception_ptr& error) {
    try {
        if (error)
            std::rethrow_exception(error);
        return "done";
    } catch (const system_error& thrown) {
        return "throws " + thrown.code().message();
    } catch (const std::exception& thrown) {
        return std::string("throws ") + thrown.what();
    }
}
template <class T, std::size_t n>
std::string text(const std::array<T, n>& all) {
    std::string made;
    for (const T& each : all)
        made += text(each) + ';';
    return made;
}
template <class... T>
std::string text(const std::tuple<T...>& all) {
    return std::apply(
        [](const auto&... each) { return "(" + ((text(each) + ' ') + ... + std::string(")")); },
        all);
}
inline std::string text(std::monostate) { return "nothing"; }
template <class... T>
std::string text(const std::variant<T...>& one) {
    return std::to_string(one.index()) + ": " +
           std::visit([](const auto& value) { return text(value); }, one);
}
template <class... T>
std::string texts(const T&... all) {
    return text(std::tuple<const T&...>(all...));
}

/// (expression, nothing()) is the text of the expression, and nothing() if that is void.
struct nothing {};
template <class T>
std::string operator,(const T& value, nothing) {
    return text(value);
}
inline std::string text(nothing) { return "nothing"; }

// The operations. Each is made on an executor, and started once. One that fails completes with an error.

struct timer {
    static constexpr auto name = "timer";
    net::steady_timer impl;
    timer(const net::any_io_executor& executor, bool fails) : impl(executor) {
        if (fails) {
            impl.expires_at(std::chrono::steady_clock::time_point::max());
            net::post(executor, [this] { impl.cancel(); });
        }
    }
    template <class Token>
    auto operator()(Token&& token) {
        return impl.async_wait(std::forward<Token>(token));
    }
};

struct socket {
    static constexpr auto name = "socket";
    net::local::stream_protocol::socket impl, peer;
    std::array<char, 4> bytes{};
    socket(const net::any_io_executor& executor, bool fails) : impl(executor), peer(executor) {
        net::local::connect_pair(impl, peer);
        if (fails)
            peer.close();
        else
            net::write(peer, net::buffer("four", 4));
    }
    template <class Token>
    auto operator()(Token&& token) {
        return impl.async_read_some(net::buffer(bytes), std::forward<Token>(token));
    }
};

struct on_executor {
    net::any_io_executor executor;
    bool fails;
};

#define MATRIX_SUBMISSION(function)                                                                \
    struct function : on_executor {                                                                \
        static constexpr auto name = #function;                                                    \
        template <class Token>                                                                     \
        auto operator()(Token&& token) {                                                           \
            return net::function(executor, std::forward<Token>(token));                            \
        }                                                                                          \
    };
MATRIX_SUBMISSION(post)
MATRIX_SUBMISSION(dispatch)
MATRIX_SUBMISSION(defer)
#undef MATRIX_SUBMISSION

/// Of three steps on the handler's executor.
struct composed : on_executor {
    static constexpr auto name = "composed operation";
    struct steps {
        net::any_io_executor executor;
        std::unique_ptr<net::steady_timer> timer;
        bool fails;
        int step = 0;

        template <class Self>
        void operator()(Self& self, error_code error = {}) {
            switch (step++) {
            case 0:
                timer = std::make_unique<net::steady_timer>(executor);
                timer->async_wait(std::move(self));
                break;
            case 1:
                net::post(std::move(self));
                break;
            default:
                if (fails)
                    error = net::error::eof;
                self.complete(error, step);
                break;
            }
        }
    };
    template <class Token>
    auto operator()(Token&& token) {
        return net::async_compose<Token, void(error_code, int)>(steps{executor, nullptr, fails},
                                                                token, executor);
    }
};

/// Completes on the handler's executor.
template <class Handler>
void complete_later(Handler&& handler, int value, const net::any_io_executor& otherwise) {
    const auto executor = net::get_associated_executor(handler, otherwise);
    net::post(executor, [handler = std::forward<Handler>(handler), value]() mutable {
        std::move(handler)(value);
    });
}

/// Starts by a class that nothing can be derived from.
struct final_class : on_executor {
    static constexpr auto name = "final class";
    struct initiation final {
        net::any_io_executor executor;
        template <class Handler>
        void operator()(Handler&& handler, int value) const {
            complete_later(std::forward<Handler>(handler), value, executor);
        }
    };
    template <class Token>
    auto operator()(Token&& token) {
        return net::async_initiate<Token, void(int)>(initiation{executor}, token, 5);
    }
};

/// Any handler of one signature.
class any_handler {
public:
    template <class Handler>
        requires(!std::same_as<std::remove_cvref_t<Handler>, any_handler>)
    any_handler(Handler&& handler)
        : held_(new holder<std::decay_t<Handler>>(std::forward<Handler>(handler))) {}
    void complete(int value, const net::any_io_executor& otherwise) {
        std::exchange(held_, nullptr)->complete(value, otherwise);
    }

private:
    struct base {
        virtual ~base() = default;
        virtual void complete(int value, const net::any_io_executor& otherwise) = 0;
    };
    template <class Handler>
    struct holder : base {
        Handler handler;
        explicit holder(Handler given) : handler(std::move(given)) {}
        void complete(int value, const net::any_io_executor& otherwise) override {
            complete_later(std::move(handler), value, otherwise);
        }
    };
    std::unique_ptr<base> held_;
};

/// Starts by a pointer to a function.
struct function_pointer : on_executor {
    static constexpr auto name = "function pointer";
    static void start(any_handler handler, int value, const net::any_io_executor& executor) {
        handler.complete(value, executor);
    }
    template <class Token>
    auto operator()(Token&& token) {
        return net::async_initiate<Token, void(int)>(&start, token, 6, executor);
    }
};

/// What a coroutine gives.
struct spawned : on_executor {
    static constexpr auto name = "co_spawn";
    static awaitable<int> task(bool fails) {
        co_await net::post(net::use_awaitable);
        if (fails)
            throw system_error(net::error::eof);
        co_return 7;
    }
    template <class Token>
    auto operator()(Token&& token) {
        return co_spawn(executor, task(fails), std::forward<Token>(token));
    }
};

struct channel {
    static constexpr auto name = "channel";
    net::experimental::channel<void(error_code, int)> impl;
    channel(const net::any_io_executor& executor, bool fails) : impl(executor) {
        net::post(executor, [this, fails] {
            if (fails)
                impl.close();
            else
                impl.async_send(error_code(), 8, net::detached);
        });
    }
    template <class Token>
    auto operator()(Token&& token) {
        return impl.async_receive(std::forward<Token>(token));
    }
};

/// Started by deferred(token).
template <class Operation>
struct deferred_first : Operation {
    deferred_first(const net::any_io_executor& executor, bool fails) : Operation{executor, fails} {}
    static inline const std::string name = std::string(Operation::name) + " by deferred";
    template <class Token>
    auto operator()(Token&& token) {
        return Operation::operator()(adapt::deferred)(std::forward<Token>(token));
    }
};

template <class Execute>
void for_each_operation(const Execute& execute) {
    const auto on = [&]<class... Operation>(std::type_identity<std::tuple<Operation...>>) {
        (execute(std::type_identity<Operation>()), ...);
    };
    on(std::type_identity<std::tuple<timer, socket, post, dispatch, defer, composed, final_class,
                                     function_pointer, spawned, channel>>());
}

/// A token of the user's own: counts the operations, and goes on with another token.
template <class Inner>
struct counted {
    Inner inner;
    int* count;
};
template <class Inner>
counted(Inner, int*) -> counted<Inner>;

/// A token of the user's own, which gives an awaitable by a coroutine.
struct by_coroutine {};

/// What tokens are made of.
struct parts {
    error_code error;
    net::cancellation_signal signal;
    net::any_io_executor executor;
    int count = 0;
};

/// A coroutine that completes its line, of an operation that may fail.
using case_function = std::function<awaitable<void>(std::string&, net::any_io_executor, bool)>;

/// Runs a case alone and to its end, on an executor of each kind, and calls `afterwards` as long as that is
/// there. (No template: co_spawn is slow to compile.)
inline void run_on_each_executor(
    lines& out, const std::string& name, const case_function& task,
    const std::function<void()>& afterwards = [] {}) {
    const auto start = [&](const char* where, bool fails, const net::any_io_executor& executor) {
        out.push_back(name + (fails ? " (fails) on " : " on ") + where + ": ");
        co_spawn(executor, task(out.back(), executor, fails), [&out](std::exception_ptr error) {
            out.back() += error ? ", ended with " + text(error) : ", ended";
        });
    };
    // Never destroyed: a handler of use_future runs on a thread of the system's executor, which gives
    // its work back when the future is ready already.
    static net::io_context& context = *new net::io_context;
    const auto run = [&] {
        context.restart();
        context.run();
        afterwards();
    };
    for (const bool fails : {false, true}) {
        start("io_context", fails, context.get_executor());
        run();
        start("strand", fails, net::make_strand(context));
        run();
        auto& pool = *new net::thread_pool(1);
        start("pool", fails, pool.get_executor());
        pool.join();
        afterwards();
    }
}

} // namespace matrix::MATRIX_SIDE

MATRIX_ASIO_BEGIN

template <class Inner, class Signature>
class async_result<matrix::MATRIX_SIDE::counted<Inner>, Signature> {
public:
    template <class Initiation, class Token, class... Args>
    static auto initiate(Initiation&& initiation, Token&& token, Args&&... args) {
        ++*token.count;
        auto inner = token.inner;
        return async_initiate<Inner, Signature>(std::forward<Initiation>(initiation), inner,
                                                std::forward<Args>(args)...);
    }
};

template <class... Values>
class async_result<matrix::MATRIX_SIDE::by_coroutine, void(Values...)> {
    template <class Initiation, class... Args>
    static auto start(Initiation&& initiation, Args&&... args) {
        return async_initiate<const use_awaitable_t<>, void(Values...)>(
            std::forward<Initiation>(initiation), use_awaitable, std::forward<Args>(args)...);
    }
    template <class Initiation, class... Args>
    using result =
        typename decltype(start(std::declval<Initiation>(), std::declval<Args>()...))::value_type;

public:
    template <class Initiation, class... Args>
    static auto initiate(Initiation initiation, matrix::MATRIX_SIDE::by_coroutine, Args... args)
        -> matrix::MATRIX_SIDE::awaitable<result<Initiation, Args...>> {
        co_return co_await start(std::move(initiation), std::move(args)...);
    }
};

MATRIX_ASIO_END

#endif
