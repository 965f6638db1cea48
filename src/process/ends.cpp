// SPDX-License-Identifier: MIT
#include "process/ends.hpp"

#if defined(__ELF__)

#include <dlfcn.h>
#include <unwind.h>

#include <cstdlib>
#include <cstring>

namespace contextvars::inline v0::detail {

namespace {

using function = void (*)(int);

bool is(function wanted, const char* name, _Unwind_Context* caller) noexcept {
    // exit() does not return, so its return address may lie behind its end.
    void* const inside = reinterpret_cast<void*>(_Unwind_GetIP(caller) - 1);
    // A static executable has no names to look up, but its functions have one address each. In
    // other executables a function may have two: that of its code, and that of a stub that the
    // executable made for it.
    if (_Unwind_FindEnclosingFunction(inside) == reinterpret_cast<void*>(wanted))
        return true;
    Dl_info found;
    return dladdr(inside, &found) != 0 && found.dli_sname != nullptr &&
           std::strcmp(found.dli_sname, name) == 0;
}

_Unwind_Reason_Code look_at(_Unwind_Context* caller, void* ends) noexcept {
    if (!is(&std::exit, "exit", caller) && !is(&std::quick_exit, "quick_exit", caller))
        return _URC_NO_REASON;
    *static_cast<bool*>(ends) = true;
    return _URC_END_OF_STACK;
}

} // namespace

bool process_ends() noexcept {
    bool ends = false;
    _Unwind_Backtrace(look_at, &ends);
    return ends;
}

} // namespace contextvars::inline v0::detail

#else

namespace contextvars::inline v0::detail {

bool process_ends() noexcept { return false; }

} // namespace contextvars::inline v0::detail

#endif
