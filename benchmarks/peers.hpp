// SPDX-License-Identifier: MIT
//
// What is measured, and beside what: this library, its peers, and the floors, which do only what
// cannot be avoided and keep nothing apart. All have one interface. An object of one of them makes
// a new context current in which `bound` variables are bound, and what was current before again when
// it is destroyed; the functions act on the current context.
//
// The peers are what an expert would write: keys are integers or objects, never names, maps are
// changed in place where nobody else has them, and values are not type-erased where they need not
// be. CPython is called by its C interface, under its global lock, and counts without atomics.
#ifndef CONTEXTVARS_BENCHMARKS_PEERS_HPP
#define CONTEXTVARS_BENCHMARKS_PEERS_HPP

#if defined(BENCHMARK_CPYTHON)
#include <Python.h>
#endif

#include <contextvars/contextvars.hpp>

#if defined(BENCHMARK_FLAT_MAP)
#include <boost/container/flat_map.hpp>
#endif

#include <benchmark/benchmark.h>

#include <any>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <utility>

#if !defined(NDEBUG)
#error "a debug build measures nothing"
#endif

namespace peers {

inline constexpr std::size_t most_bound = 10000;

// ---- values

struct large {
    std::array<long, 8> words{};
};

template <class T>
inline constexpr const char* name_of = nullptr;
template <>
inline constexpr const char* name_of<long> = "long";
template <>
inline constexpr const char* name_of<large> = "64 bytes";
template <>
inline constexpr const char* name_of<std::string> = "std::string";

template <class T>
T some() {
    if constexpr (std::is_same_v<T, std::string>)
        return std::string(32, 'x'); // too long to lie in the object itself
    else
        return T{};
}

/// Reads a value, as a program would. DoNotOptimize alone takes a value where it lies, unread.
inline void use(long value) { __asm__ volatile("" : : "r"(value) : "memory"); }
inline void use(const void* value) { __asm__ volatile("" : : "r"(value) : "memory"); }
inline void use(const large& value) { use(value.words[0]); }
inline void use(const std::string& value) { use(value.data()); }

/// Without a second thread, std::shared_ptr counts without locked instructions.
class second_thread {
public:
    ~second_thread() { done_.release(); }

private:
    std::binary_semaphore done_{0};
    std::jthread thread_{[this] { done_.acquire(); }};
};
inline second_thread kept_alive;

/// Makes a pointer point elsewhere for as long as it lives.
template <class T>
class redirected {
public:
    redirected(T*& pointer, T* target)
        : pointer_(pointer), before_(std::exchange(pointer, target)) {}
    redirected(const redirected&) = delete;
    redirected& operator=(const redirected&) = delete;
    ~redirected() { pointer_ = before_; }

private:
    T*& pointer_;
    T* before_;
};

/// As variables that were made one after the other are numbered.
class numbered {
public:
    using variable = std::size_t;
    explicit numbered(std::size_t bound) : middle_(bound / 2) {}
    variable middle() const { return middle_; }
    static variable missing() { return most_bound; }

private:
    variable middle_;
};

// ---- floors

/// A variable that no context keeps apart.
template <class T>
class plain_thread_local : public numbered {
public:
    static constexpr const char* name = "thread_local";
    using token = T;

    using numbered::numbered;
    static const T& get(variable) { return value_; }
    static token set(variable, const T& value) { return std::exchange(value_, value); }
    static void reset(variable, token& token) { value_ = std::move(token); }

private:
    static inline thread_local T value_{};
};

/// A thread_local pointer to an array, that is counted, and never copied.
template <class T>
class pointer_and_array : public numbered {
    struct counted {
        explicit counted(std::size_t size) : values(std::make_unique<T[]>(size)) {}
        std::atomic<unsigned> references{1};
        std::unique_ptr<T[]> values;
    };

public:
    static constexpr const char* name = "pointer and array";
    using token = T;

    explicit pointer_and_array(std::size_t bound) : numbered(bound), array_(bound + 1) {}

    static const T& get(variable which) { return current_->values[which]; }
    static token set(variable which, const T& value) {
        return std::exchange(current_->values[which], value);
    }
    static void reset(variable which, token& token) { current_->values[which] = std::move(token); }

    class context {
    public:
        context() : array_(current_) { array_->references.fetch_add(1, std::memory_order_relaxed); }
        context(const context&) = delete;
        context& operator=(const context&) = delete;
        ~context() { array_->references.fetch_sub(1, std::memory_order_acq_rel); }

        template <class F>
        void run(F f) {
            const redirected entered(current_, array_);
            f();
        }

    private:
        counted* array_;
    };
    static context capture() { return {}; }
    template <class F>
    static void run(context& context, F f) {
        context.run(f);
    }
    template <class F>
    static void run_copy(F f) {
        context().run(f);
    }

private:
    static inline constinit thread_local counted* current_ = nullptr;

    counted array_;
    redirected<counted> entered_{current_, &array_};
};

/// Of a count that all threads share.
template <class T>
class inc_and_dec : public numbered {
public:
    static constexpr const char* name = "inc and dec";

    struct context {
        context() { count_.fetch_add(1, std::memory_order_relaxed); }
        context(const context&) = delete;
        context& operator=(const context&) = delete;
        ~context() { count_.fetch_sub(1, std::memory_order_acq_rel); }
    };
    using numbered::numbered;
    static context capture() { return {}; }
    template <class F>
    static auto bind(F f) {
        return [f] {
            const context copy;
            f();
        };
    }

private:
    static inline std::atomic<unsigned> count_{1};
};

/// A thread_local pointer, and a flag by which of two threads only one changes it.
template <class T>
class guarded_pointer : public numbered {
public:
    static constexpr const char* name = "guard and pointer";

    struct context {
        std::atomic<bool> is_entered{false};
    };
    using numbered::numbered;
    static context capture() { return {}; }
    template <class F>
    static void run(context& entered, F f) {
        bool idle = false;
        if (!entered.is_entered.compare_exchange_strong(idle, true, std::memory_order_acquire))
            throw std::runtime_error("entered");
        {
            const redirected here(current_, &entered);
            f();
        }
        entered.is_entered.store(false, std::memory_order_release);
    }

private:
    static inline constinit thread_local context* current_ = nullptr;
};

// ---- this library

template <class T>
class this_library {
public:
    static constexpr const char* name = "this library";
    using variable = const contextvars::ContextVar<T>*;
    using token = contextvars::Token<T>;
    using context = contextvars::Context;

    explicit this_library(std::size_t bound) : middle_(&variables()[bound / 2]) {
        for (std::size_t i = 0; i != bound; ++i)
            variables()[i].set(some<T>());
    }

    variable middle() const { return middle_; }
    static variable missing() { return &variables()[most_bound]; }

    static decltype(auto) get(variable variable) { return variable->get(); }
    static bool has(variable variable) { return variable->try_get() != nullptr; }
    static token set(variable variable, const T& value) { return variable->set(value); }
    static void reset(variable variable, token& token) { variable->reset(token); }

    static context capture() { return contextvars::copy_context(); }
    template <class F>
    static void run(context& context, F f) {
        context.run(f);
    }
    template <class F>
    static void run_copy(F f) {
        contextvars::copy_context().run(f);
    }
    template <class F>
    static auto bind(F f) {
        return contextvars::bind_context(f);
    }

private:
    // All have been bound, so that a missing one is one that is bound elsewhere.
    static const std::deque<contextvars::ContextVar<T>>& variables() {
        static const auto& all = []() -> const std::deque<contextvars::ContextVar<T>>& {
            static std::deque<contextvars::ContextVar<T>> made;
            context().run([] {
                for (std::size_t i = 0; i != most_bound + 1; ++i)
                    made.emplace_back("variable").set(some<T>());
            });
            return made;
        }();
        return all;
    }

    context context_;
    decltype(std::declval<context&>().enter()) entered_ = context_.enter();
    variable middle_;
};

// ---- peers

/// What peers share that keep the current context in the thread, and capture it by copying it.
template <class Context>
class kept_in_thread {
public:
    using context = Context;

    explicit kept_in_thread(context first) : context_(std::move(first)) {}

    static context capture() { return *current_; }
    template <class F>
    static void run(context& context, F f) {
        const redirected entered(current_, &context);
        f();
    }
    template <class F>
    static void run_copy(F f) {
        context copy = capture();
        run(copy, f);
    }
    template <class F>
    static auto bind(F f) {
        return [captured = capture(), f] {
            context copy = captured;
            run(copy, f);
        };
    }

protected:
    // A pointer, since a thread_local with a destructor takes a call to get at.
    static inline constinit thread_local context* current_ = nullptr;

private:
    context context_;
    redirected<context> entered_{current_, &context_};
};

/// A map that contexts share, and that is copied where it is changed while it is shared.
template <class T, class Map>
class copy_on_write : public numbered, public kept_in_thread<std::shared_ptr<const Map>> {
    using base = kept_in_thread<std::shared_ptr<const Map>>;

public:
    using token = std::optional<T>;
    using typename base::context;

    explicit copy_on_write(std::size_t bound) : numbered(bound), base(std::make_shared<Map>()) {
        for (std::size_t i = 0; i != bound; ++i)
            set(i, some<T>());
    }

    static const T& get(variable which) { return (*current_)->find(which)->second; }
    static bool has(variable which) { return (*current_)->find(which) != (*current_)->end(); }
    static token set(variable which, const T& value) {
        const auto [place, missing] = own().try_emplace(which, value);
        return missing ? token() : token(std::exchange(place->second, value));
    }
    static void reset(variable which, token& token) {
        Map& map = own();
        if (token.has_value())
            map.find(which)->second = *std::move(token);
        else
            map.erase(which);
    }

private:
    using base::current_;

    /// The current map, for oneself.
    static Map& own() {
        context& current = *current_;
        if (current.use_count() != 1)
            current = std::make_shared<Map>(*current);
        else
            std::atomic_thread_fence(std::memory_order_acquire); // of who had it too
        return const_cast<Map&>(*current);                       // made as a Map that is not const
    }
};

template <class T>
class shared_unordered_map : public copy_on_write<T, std::unordered_map<std::size_t, T>> {
public:
    static constexpr const char* name = "shared unordered_map";
    using copy_on_write<T, std::unordered_map<std::size_t, T>>::copy_on_write;
};

#if defined(BENCHMARK_FLAT_MAP)
template <class T>
class shared_flat_map : public copy_on_write<T, boost::container::flat_map<std::size_t, T>> {
public:
    static constexpr const char* name = "shared flat_map";
    using copy_on_write<T, boost::container::flat_map<std::size_t, T>>::copy_on_write;
};
#endif

/// A map of values of any type, copied whenever it is captured.
template <class T>
class unordered_map_of_any : public numbered,
                             public kept_in_thread<std::unordered_map<std::size_t, std::any>> {
    using base = kept_in_thread<std::unordered_map<std::size_t, std::any>>;

public:
    static constexpr const char* name = "unordered_map of any";
    using token = std::any;

    explicit unordered_map_of_any(std::size_t bound) : numbered(bound), base({}) {
        for (std::size_t i = 0; i != bound; ++i)
            set(i, some<T>());
    }

    static const T& get(variable which) {
        return *std::any_cast<T>(&current_->find(which)->second);
    }
    static bool has(variable which) { return current_->find(which) != current_->end(); }
    static token set(variable which, const T& value) {
        return std::exchange((*current_)[which], std::any(value));
    }
    static void reset(variable which, token& token) {
        if (token.has_value())
            current_->find(which)->second = std::move(token);
        else
            current_->erase(which);
    }

private:
    using base::current_;
};

#if defined(BENCHMARK_CPYTHON)
/// The thread that comes here first gets the global lock, and keeps it.
template <class T>
class cpython {
    struct drop {
        void operator()(PyObject* object) const { Py_DECREF(object); }
    };
    using object = std::unique_ptr<PyObject, drop>;

public:
    static constexpr const char* name = "CPython";
    using variable = PyObject*;
    using token = object;
    using context = object;

    explicit cpython(std::size_t bound) : middle_(variables()[bound / 2].get()) {
        check(PyContext_Enter(context_.get()));
        for (std::size_t i = 0; i != bound; ++i)
            set(variables()[i].get(), some<T>());
    }
    cpython(const cpython&) = delete;
    cpython& operator=(const cpython&) = delete;
    ~cpython() { check(PyContext_Exit(context_.get())); }

    variable middle() const { return middle_; }
    static variable missing() { return variables()[most_bound].get(); }

    static const void* get(variable variable) {
        const object value = find(variable);
        const void* const kept_by_context = value.get();
        return kept_by_context;
    }
    static bool has(variable variable) { return find(variable) != nullptr; }
    static token set(variable variable, const T& value) {
        return token(PyContextVar_Set(variable, object_of(value).get()));
    }
    static void reset(variable variable, token& token) {
        check(PyContextVar_Reset(variable, token.get()));
    }

    static context capture() { return context(PyContext_CopyCurrent()); }
    template <class F>
    static void run(context& context, F f) {
        check(PyContext_Enter(context.get()));
        f();
        check(PyContext_Exit(context.get()));
    }
    template <class F>
    static void run_copy(F f) {
        context copy = capture();
        run(copy, f);
    }

private:
    static void check(int result) {
        if (result != 0)
            std::abort();
    }
    static object find(variable variable) {
        PyObject* value = nullptr;
        check(PyContextVar_Get(variable, nullptr, &value));
        return object(value);
    }
    static object object_of(long value) { return object(PyLong_FromLong(value)); }
    static object object_of(const large& value) {
        return object(
            PyBytes_FromStringAndSize(reinterpret_cast<const char*>(&value), sizeof value));
    }
    static object object_of(const std::string& value) {
        return object(
            PyUnicode_FromStringAndSize(value.data(), static_cast<Py_ssize_t>(value.size())));
    }

    static const std::deque<object>& variables() {
        // Never destroyed: at the end of the program Python is gone.
        static const auto& all = []() -> const std::deque<object>& {
            auto& made = *new std::deque<object>;
            if (!Py_IsInitialized())
                Py_InitializeEx(0);
            for (std::size_t i = 0; i != most_bound + 1; ++i)
                made.emplace_back(PyContextVar_New("variable", nullptr));
            return made;
        }();
        return all;
    }

    variable middle_; // first, since it initialises Python
    context context_{PyContext_New()};
};
#endif

// ---- benchmarks

inline void as_it_is(benchmark::internal::Benchmark*) {}
inline void by_one_and_two_threads(benchmark::internal::Benchmark* added) {
    added->ThreadRange(1, 2);
}
inline void in_its_own_time(benchmark::internal::Benchmark* added) { added->UseManualTime(); }

/// Adds a benchmark, `f(state, peer)`, named operation/peer/value/size, for each class of peers.
template <class... Peers>
struct each {
    template <class F>
    static void add(const char* operation, const char* value,
                    std::initializer_list<std::size_t> sizes, F f,
                    void (*configure)(benchmark::internal::Benchmark*) = &as_it_is) {
        for (const std::size_t size : sizes) {
            const auto add_one = [&]<class Peer>(std::type_identity<Peer>) {
                const auto name = std::string(operation) + '/' + Peer::name + '/' + value + '/' +
                                  std::to_string(size);
                const auto measure = [f, size](benchmark::State& state) { f(state, Peer(size)); };
                configure(benchmark::RegisterBenchmark(name.c_str(), measure));
            };
            (add_one(std::type_identity<Peers>()), ...);
        }
    }
};

/// The peers that several threads can use at once.
template <class T, template <class> class... Floors>
using without_lock = each<Floors<T>..., this_library<T>, shared_unordered_map<T>,
#if defined(BENCHMARK_FLAT_MAP)
                          shared_flat_map<T>,
#endif
                          unordered_map_of_any<T>>;

/// Adds a benchmark, `f(state, peer)`, for this library, all peers and the floors named.
template <class T, template <class> class... Floors, class F>
void add(const char* operation, std::initializer_list<std::size_t> sizes, F f) {
    without_lock<T, Floors...>::add(operation, name_of<T>, sizes, f);
#if defined(BENCHMARK_CPYTHON)
    each<cpython<T>>::add(operation, name_of<T>, sizes, f);
#endif
}

inline int run(int argc, char** argv) {
#if defined(BENCHMARK_CPYTHON)
    benchmark::AddCustomContext("CPython", Py_GetVersion());
#endif
    benchmark::AddCustomContext("compiler", BENCHMARK_COMPILER);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

} // namespace peers

#endif
