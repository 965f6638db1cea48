// SPDX-License-Identifier: MIT
#include "process/modules.hpp"

#include "process/report.hpp"

#include <atomic>

namespace contextvars::inline v0::detail {

namespace {

/// Returns: whether the function is in its place now, and was not before.
template <class Function>
bool put_operator(std::atomic<Function>& place, Function function, bool own) noexcept {
    // Relaxed: a reader looks at nothing but the function.
    Function none = nullptr;
    if (function == nullptr)
        return false;
    if (own)
        return place.exchange(function, std::memory_order_relaxed) != function;
    return place.compare_exchange_strong(none, function, std::memory_order_relaxed);
}

} // namespace

} // namespace contextvars::inline v0::detail

#if defined(__GLIBC__)

#include "process/locks.hpp"
#include "process/memory.hpp"

#include <dlfcn.h>
#include <link.h>

#include <functional>
#include <new>
#include <unordered_set>

// A static executable has no loader, and the linker warns if it finds the name of dlopen. So dlopen
// is looked up when it is needed, and the function that looks it up is weak.
#pragma weak dlsym
#pragma weak dladdr1
#if defined(DLFO_STRUCT_HAS_EH_DBASE)
#pragma weak _dl_find_object
#endif

namespace contextvars::inline v0::detail {

namespace {

using module_set = std::unordered_set<const link_map*, std::hash<const link_map*>, std::equal_to<>,
                                      permanent_memory<const link_map*>>;
// Never destroyed: the modules in it stay loaded.
constinit module_set* kept = nullptr;

/// The module that has something at this address, or nullptr.
link_map* module_of(const void* address) noexcept {
    auto* const pointer = const_cast<void*>(address);
#if defined(DLFO_STRUCT_HAS_EH_DBASE)
    // This function takes no lock. So a constructor may wait for a thread that binds a variable of
    // a module which is loaded already.
    dl_find_object found;
    if (_dl_find_object != nullptr)
        return _dl_find_object(pointer, &found) == 0 ? found.dlfo_link_map : nullptr;
#endif
    Dl_info info;
    void* module = nullptr;
    if (dladdr1 == nullptr || dladdr1(pointer, &info, &module, RTLD_DL_LINKMAP) == 0)
        return nullptr;
    return static_cast<link_map*>(module);
}

bool is_kept(const link_map* module) noexcept {
    const holding guard(registry_lock);
    return kept != nullptr && kept->contains(module);
}

/// Throws: std::bad_alloc.
void remember(const link_map* module) {
    const holding guard(registry_lock);
    permanent(kept).insert(module);
}

template <class Function>
Function* function_of_loader(const char* name) noexcept {
    return dlsym != nullptr ? reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name)) : nullptr;
}

void keep_loaded(const void* address) {
    const link_map* const module = address != nullptr ? module_of(address) : nullptr;
    // The executable has no name, and is always there.
    if (module == nullptr || *module->l_name == '\0' || is_kept(module))
        return;
    auto* const open = function_of_loader<decltype(dlopen)>("dlopen");
    auto* const close = function_of_loader<decltype(dlclose)>("dlclose");
    if (open == nullptr || close == nullptr)
        return;
    // The loader compares the name with those of the modules that it has: no file is looked for.
    void* const handle = open(module->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    if (handle == nullptr) {
        report(
            {diagnostic_kind::module_not_kept,
             "a module whose types variables have could not be kept loaded; it must not be closed "
             "before the contexts that bind them are gone",
             {},
             nullptr,
             module->l_name});
        return;
    }
    static_cast<void>(close(handle)); // gives back a count, which is not the last
    remember(module);
}

} // namespace

void keep_modules_loaded(const type_operations& operations) {
    // Each part may lie in another module, since one symbol of several modules is one object. The
    // name of the type needs no look: it lies in the module of the type, which one of these parts
    // uses. The name of int lies in the C++ library.
    for (const void* part :
         {static_cast<const void*>(&operations), reinterpret_cast<const void*>(operations.destroy),
          reinterpret_cast<const void*>(operations.equal.load(std::memory_order_relaxed)),
          reinterpret_cast<const void*>(operations.print.load(std::memory_order_relaxed))})
        keep_loaded(part);
}

void put_operators(type_operations& operations, equal_function equal, bool own_equal,
                   print_function print, bool own_print) noexcept {
    const auto put = [&operations](auto& place, auto function, bool own) {
        if (!put_operator(place, function, own))
            return;
        const auto* const address = reinterpret_cast<const void*>(function);
        if (module_of(address) == module_of(&operations))
            return;
        try {
            keep_loaded(address);
        } catch (const std::bad_alloc&) {
            return; // it is kept, and will be kept once more at the next occasion
        }
    };
    put(operations.equal, equal, own_equal);
    put(operations.print, print, own_print);
}

} // namespace contextvars::inline v0::detail

#else

namespace contextvars::inline v0::detail {

void keep_modules_loaded(const type_operations&) {}

void put_operators(type_operations& operations, equal_function equal, bool own_equal,
                   print_function print, bool own_print) noexcept {
    put_operator(operations.equal, equal, own_equal);
    put_operator(operations.print, print, own_print);
}

} // namespace contextvars::inline v0::detail

#endif
