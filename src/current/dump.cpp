// SPDX-License-Identifier: MIT
#include "current/dump.hpp"

#include "current/print.hpp"
#include "storage/map.hpp"
#include "variables/registry.hpp"

#include <contextvars/detail/capture.hpp>
#include <contextvars/detail/current.hpp>
#include <contextvars/detail/frame.hpp>
#include <contextvars/diagnostics.hpp>

#include <ostream>
#include <sstream>
#include <utility>

namespace contextvars::inline v0 {
namespace detail {

namespace {

const char* state_of(const map& map) noexcept {
    if (&map == empty_map())
        return "empty";
    if (map.writer.is_frame())
        return "written";
    // Relaxed, here and below: the picture is for people, and nothing is done with what it shows.
    if (map.references.load(std::memory_order_relaxed) != 1)
        return "shared";
    if (const frame* const top = top_frame(); top != nullptr && top->published == &map)
        return "published";
    return map.writer.has_edition() ? "clean" : "frozen";
}

void draw(std::ostream& out, const cell& cell) {
    const type_operations& operations = operations_of_key(cell.key);
    out << name_of(cell.key) << " = ";
    print_in_list(out, operations, value_in(cell.value, operations), is_secret(cell.key));
    if (operations.in_node)
        out << " in a node of "
            << static_cast<const node_head*>(node_of(cell.value))[-1].references.load(
                   std::memory_order_relaxed);
    out << '\n';
}

} // namespace

std::string dump(const map& map) {
    std::ostringstream out;
    out << state_of(map) << ", " << binding_count(map) << " in " << capacity_of(map) << " places\n";
    if (&map == empty_map())
        return out.str();
    for (std::uint32_t place = 0; place != capacity_of(map); ++place) {
        out << "  " << place << ": ";
        if (const cell& cell = cells_of(map)[place]; cell.key != no_key)
            draw(out, cell);
        else
            out << "-\n";
    }
    if (map.rest == nullptr)
        return out.str();
    out << "  trie to " << map.rest->limit() << ", of " << map.rest->references << '\n';
    std::uint32_t position = capacity_of(map);
    while (const cell* const bound = next_cell(map, position)) {
        out << "    " << id_of(bound->key) << ": ";
        draw(out, *bound);
    }
    for (const dead_binding* dead = map.rest->dead; dead != nullptr; dead = dead->next) {
        out << "  dead: ";
        draw(out, dead->bound);
    }
    return out.str();
}

namespace {

void print_bindings(std::ostream& out, const map& map) {
    struct list {
        std::ostream& out;
        const char* separator;
    } list{out, ": "};
    for_each(
        map,
        [](void* argument, const cell& cell) {
            auto& [stream, separator] = *static_cast<struct list*>(argument);
            stream << std::exchange(separator, ", ");
            print_binding(stream, cell);
            return true;
        },
        &list);
    out << '\n';
}

} // namespace
} // namespace detail

void dump_current(std::ostream& out) {
    // A << may set variables: then the current map becomes another one. Those below stay. It is shared
    // and not captured, since a capture may lack bindings.
    const detail::pinned_map pinned =
        detail::pinned_map::adopt(detail::share(detail::current_map()));
    const detail::frame* frame = detail::top_frame();
    const detail::map* map = pinned.get();
    while (true) {
        detail::print_frame(out, frame);
        if (detail::suppressions(*map) != 0)
            out << " (captures are suppressed)";
        detail::print_bindings(out, *map);
        if (frame == nullptr || frame->previous_map == nullptr)
            return;
        map = frame->previous_map;
        frame = frame->previous;
    }
}

} // namespace contextvars::inline v0
