// SPDX-License-Identifier: MIT
//
// Two copies of this library in a process are two slots: what one half of the program sets, the
// other does not see. So each copy carries an ELF note, and when one is loaded it counts the notes
// of all modules: that works whatever the visibility of symbols and however modules were loaded.
#include "report.hpp"

#if defined(__linux__)

#include <link.h>

#include <cstdint>
#include <cstring>
#include <string>

// name size 12, description size 4, type 1, name "contextvars", description 0
__asm__(".pushsection .note.contextvars,\"a\",@note\n"
        ".balign 4\n"
        ".long 12\n"
        ".long 4\n"
        ".long 1\n"
        ".string \"contextvars\"\n"
        ".long 0\n"
        ".popsection\n");

namespace contextvars::inline v0::detail {

namespace {

struct copies {
    int count = 0;
    std::string modules;
};

bool has_our_note(const std::byte* note, std::size_t size) noexcept {
    const std::byte* end = note + size;
    const auto padded = [](std::uint32_t bytes) { return (bytes + 3U) & ~3U; };
    while (end - note >= 12) {
        std::uint32_t head[3];
        std::memcpy(head, note, sizeof head);
        const std::byte* name = note + 12;
        if (head[0] == 12 && head[2] == 1 && end - name >= 12 &&
            std::memcmp(name, "contextvars", 12) == 0)
            return true;
        note = name + padded(head[0]) + padded(head[1]);
    }
    return false;
}

int count_copies(dl_phdr_info* info, std::size_t, void* argument) {
    for (int i = 0; i != info->dlpi_phnum; ++i) {
        const auto& segment = info->dlpi_phdr[i];
        if (segment.p_type != PT_NOTE || segment.p_align > 4 ||
            !has_our_note(reinterpret_cast<const std::byte*>(info->dlpi_addr + segment.p_vaddr),
                          segment.p_memsz))
            continue;
        auto& found = *static_cast<copies*>(argument);
        ++found.count;
        found.modules += found.modules.empty() ? "" : ", ";
        found.modules += *info->dlpi_name != '\0' ? info->dlpi_name : "the executable";
        break;
    }
    return 0;
}

} // namespace

void report_other_copies() noexcept {
    copies found;
    dl_iterate_phdr(count_copies, &found);
    if (found.count > 1)
        report({diagnostic_kind::second_copy,
                "a second copy of this library was loaded, so variables set through one are "
                "missing through the other; link the shared library everywhere",
                {},
                nullptr,
                found.modules});
}

} // namespace contextvars::inline v0::detail

#else

namespace contextvars::inline v0::detail {

void report_other_copies() noexcept {}

} // namespace contextvars::inline v0::detail

#endif
