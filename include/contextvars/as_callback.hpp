// SPDX-License-Identifier: MIT
//
// as_callback makes a callback for a C library of a callable: a function pointer, and the `void*` that
// the library passes to the function. Each call runs the callable in a copy of the context in which
// as_callback was called.
//
//     auto callback = contextvars::as_callback<int(int, void*)>([](int event) { return 0; });
//     watch(loop, callback.function(), callback.data());
//
// How long is the callback good?
//     as long as its object lives    nothing more to do; the object may be a member
//     for one call                   as_callback_once; the call ends it
//     until the library is done      hand_over(), and release_callback for the library's "free" function
//
// However it ends, the callable and the context are destroyed exactly once, and at once; if the end
// comes during a call, after that call. The `void*` is no address but a number that is never used
// again. So a call that comes too late is noticed: the diagnostics hook is told, and the program
// terminated.
#ifndef CONTEXTVARS_AS_CALLBACK_HPP
#define CONTEXTVARS_AS_CALLBACK_HPP

#include <contextvars/bind_context.hpp>
#include <contextvars/config.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

namespace detail {

/// A callable and its context, without their type.
struct callback_object {
    void (*call)(); ///< of the type that the signature says
    void (*destroy)(callback_object*) noexcept;
    bool ends_with_call;
};

/// Takes the object over. Returns: its number. Throws: std::bad_alloc, std::length_error.
CONTEXTVARS_EXPORT void* add_callback(callback_object& object);

/// One call. It keeps the object alive, and ends it if it is for one call.
class callback_call {
public:
    CONTEXTVARS_EXPORT explicit callback_call(void* data) noexcept;
    callback_call(const callback_call&) = delete;
    callback_call& operator=(const callback_call&) = delete;
    CONTEXTVARS_EXPORT ~callback_call();

    callback_object& object() const noexcept { return *object_; }

private:
    void* data_;
    callback_object* object_;
};

template <class... A>
constexpr std::size_t place_of_data() {
    constexpr std::size_t count = sizeof...(A);
    constexpr bool is_data[count + 1] = {std::is_same_v<A, void*>..., false};
    return count != 0 && is_data[count - 1] ? count - 1 : is_data[0] ? 0 : count;
}

template <class Signature>
struct callback_signature;
template <class R, class... A, bool N>
struct callback_signature<R(A...) noexcept(N)> {
    using result = R;
    using function = R (*)(A...) noexcept(N);
    using erased = R (*)(callback_object&, A&...);

    static constexpr std::size_t data = place_of_data<A...>();
    static constexpr std::size_t index(std::size_t i) { return i < data ? i : i + 1; }
    template <std::size_t i>
    using argument = std::tuple_element_t<index(i), std::tuple<A...>>;

    static_assert(
        data != sizeof...(A),
        "as_callback<R(Args..., void*)>(f): the last parameter is the void* that the library "
        "passes on; in R(void*, Args...), the first one");

    /// What the library calls.
    static R call(A... args) noexcept {
        const callback_call call(std::get<data>(std::tie(args...)));
        return reinterpret_cast<erased>(call.object().call)(call.object(), args...);
    }
    /// Calls f with all arguments but the data.
    template <class F>
    static R apply(F&& f, A&... args) {
        return apply(std::forward<F>(f), std::tie(args...),
                     std::make_index_sequence<sizeof...(A) - 1>());
    }
    template <class F>
    static constexpr bool takes = []<std::size_t... i>(std::index_sequence<i...>) {
        return std::is_invocable_r_v<R, F, argument<i>...>;
    }(std::make_index_sequence<sizeof...(A) - 1>());

private:
    template <class F, std::size_t... i>
    static R apply(F&& f, std::tuple<A&...> args, std::index_sequence<i...>) {
        if constexpr (std::is_void_v<R>)
            static_cast<void>(
                std::forward<F>(f)(static_cast<argument<i>&&>(std::get<index(i)>(args))...));
        else
            return std::forward<F>(f)(static_cast<argument<i>&&>(std::get<index(i)>(args))...);
    }
};

/// An F with its context.
template <class Signature, class F, bool once>
struct callback_of : callback_object {
    using signature = callback_signature<Signature>;
    using callee = std::conditional_t<once, F&&, F&>;
    static_assert(
        signature::template takes<callee>,
        "as_callback<R(Args..., void*)>(f): f must take these arguments, without the void*, "
        "and return an R");

    explicit callback_of(F f)
        : callback_object{reinterpret_cast<void (*)()>(call_of(signature::call)), end, once},
          function(std::move(f)) {}

    template <class R, class... A, bool N>
    static auto call_of(R (*)(A...) noexcept(N)) {
        return +[](callback_object& self, A&... args) -> R {
            return signature::apply(static_cast<callee>(static_cast<callback_of&>(self).function),
                                    args...);
        };
    }
    static void end(callback_object* self) noexcept { delete static_cast<callback_of*>(self); }

    F function;
};

template <class Signature, bool once, class F>
void* make_callback(F&& f) {
    static_assert(std::is_constructible_v<std::decay_t<F>, F&&>,
                  "as_callback(f) stores f: it must be movable, or copyable if it is an lvalue");
    using object = callback_of<Signature, bound_type<F>, once>;
    auto* const made = new object(bind_context(std::forward<F>(f)));
    try {
        return add_callback(*made);
    } catch (...) { // no std::unique_ptr, for a thin header
        delete made;
        throw;
    }
}

} // namespace detail

/// Ends a callback that was handed over. The `void*` is its data(). If the callback has ended already,
/// does nothing. It is a function that a library can be given for "free the data".
/// Threads: any. Cost: a locked instruction, and the destruction of the callable and its context.
CONTEXTVARS_EXPORT void release_callback(void* data) noexcept;

/// What as_callback returns: it owns a callable and a captured context, until hand_over().
template <class Signature>
class [[nodiscard("the callback ends with this object")]] Callback {
    using signature = detail::callback_signature<Signature>;

public:
    using function_type = typename signature::function;

    Callback(Callback&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
    Callback& operator=(Callback&& other) noexcept {
        Callback ended(std::move(other));
        std::swap(data_, ended.data_);
        return *this;
    }
    /// Ends the callback, unless it was handed over. A call that is going on, here or on another
    /// thread, ends as it would.
    ~Callback() { release_callback(data_); }

    /// Calls the callable whose data() is among the arguments: the last, or the first if the last is
    /// no `void*`. It is for functions of other signatures, which have the data elsewhere:
    /// `[](uv_timer_t* t) { Callback<void(void*)>::call(t->data); }`.
    /// Returns: as the callable. An exception terminates the program: none may cross C.
    /// Precondition: the data is that of a callback of this signature. If it has ended, the
    /// diagnostics hook is told and the program terminated.
    /// Cost: as a call of what bind_context returns, and two locks of a few instructions.
    /// Threads: any; several at once, as far as the callable allows.
    static constexpr function_type call = signature::call;

    /// Returns: the function for the library, which is call.
    function_type function() const noexcept { return call; }
    /// Returns: the `void*` for the library; never nullptr, unless it was handed over or moved from.
    void* data() const noexcept { return data_; }

    /// Gives the callback to the library, which ends it by release_callback, or by its one call.
    /// Call it when the library has accepted the callback; if it has not, the object ends it.
    /// Returns: data(). The object owns nothing then.
    void* hand_over() noexcept { return std::exchange(data_, nullptr); }

private:
    explicit Callback(void* data) noexcept : data_(data) {}

    void* data_;

    template <class S, class F>
    friend Callback<std::remove_pointer_t<S>> as_callback(F&& f);
    template <class S, class F>
    friend Callback<std::remove_pointer_t<S>> as_callback_once(F&& f);
};

/// Captures the current context, and makes a callback that runs f in a copy of it, as often as it is
/// called. If f is what bind_context returned, it stays as it is: the inner binding wins.
/// `Signature` is that of the library's function, R(Args..., void*), or the type of a pointer to it.
/// f takes the Args, and returns what converts to R. If only the first parameter is a `void*`, that
/// one is the data.
/// Returns: the owner of the callback.
/// Throws: std::bad_alloc; std::length_error if the process has 2^20 callbacks; any exception of
/// moving or copying f.
/// Cost: as bind_context, one allocation, and a mutex.
template <class Signature, class F>
Callback<std::remove_pointer_t<Signature>> as_callback(F&& f) {
    using plain = std::remove_pointer_t<Signature>;
    return Callback<plain>(detail::make_callback<plain, false>(std::forward<F>(f)));
}

/// As as_callback, for one call, which ends the callback; f is called as an rvalue. If there is no
/// call, its owner ends it, or release_callback.
template <class Signature, class F>
Callback<std::remove_pointer_t<Signature>> as_callback_once(F&& f) {
    using plain = std::remove_pointer_t<Signature>;
    return Callback<plain>(detail::make_callback<plain, true>(std::forward<F>(f)));
}

} // namespace contextvars::inline v0

#endif
