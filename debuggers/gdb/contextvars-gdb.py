# SPDX-License-Identifier: MIT
"""For GDB: the contexts of a program that uses contextvars, of a process or of a core file.

    contextvars                    the contexts that the selected thread has entered, the current one first
    contextvars flow EXPRESSION    the bindings of a flow, which may be suspended
    contextvars coroutine HANDLE   the same of a coroutine whose promise is a context_promise

Besides, ContextVar, Token, Context and flow print as what they hold.

The library needs no debug information, but its symbols (it must not be stripped). This file knows the
layout of the library's structures; tests/gdb fails if they differ. The values' types are taken from the
program's debug information.
"""
import re
import struct

import gdb
import gdb.printing

NAMESPACE = "contextvars::v0::detail::"
EMPTY_KEY = 0
CHUNK = 1024  # of the registry's tables
NOT_RUNNING = 1  # in the place of the frame below a flow


def symbol(*names):
    """The address of a symbol; of a thread's own, that of the selected thread."""
    if gdb.selected_thread() is None:
        raise gdb.GdbError("contextvars: there is neither a process nor a core file")
    for name in names:
        try:
            return int(gdb.parse_and_eval("(unsigned long)&'%s'" % name))
        except gdb.error:
            continue
    raise gdb.GdbError("contextvars is not in this program, or its symbols are stripped (%s)" % names[0])


def words(address, count=1):
    memory = gdb.selected_inferior().read_memory(address, 8 * count)
    return struct.unpack("<%dQ" % count, bytes(memory))


def word(address):
    return words(address)[0]


def narrow(address):
    return struct.unpack("<I", bytes(gdb.selected_inferior().read_memory(address, 4)))[0]


def byte(address):
    return bytes(gdb.selected_inferior().read_memory(address, 1))[0]


def text(address, length):
    return bytes(gdb.selected_inferior().read_memory(address, length)).decode("utf-8", "replace") if length else ""


def string_view(address):
    """Its two words, in the order of any standard library: no address is as small as a length."""
    length, characters = sorted(words(address, 2))
    return text(characters, length)


def entry(table, index, size):
    """An entry of one of the registry's tables, or 0."""
    chunk = word(symbol(NAMESPACE + "(anonymous namespace)::" + table) + 8 * (index // CHUNK))
    return chunk + size * (index % CHUNK) if chunk else 0


class Key:
    """Tells of a variable what its key does, also when it is gone."""

    def __init__(self, key):
        self.key = key
        descriptor = entry("descriptors", key >> 24 & 0xFFFFF, 40)
        self.name = string_view(descriptor)
        self.operations = word(descriptor + 16)
        self.secret = byte(descriptor + 24) != 0
        of_id = entry("ids", key >> 4 & 0xFFFFF, 32)
        self.exists = of_id != 0 and word(of_id) == key
        if self.name == "?" and self.exists and word(of_id + 16):
            self.name = string_view(word(of_id + 16))

    def value(self, cell_value):
        """The value in a word, as GDB prints it."""
        address = word(cell_value) if byte(self.operations + 32) else cell_value
        return shown(self.operations, address, self.secret)


def type_name(operations):
    name = word(word(operations) + 8)
    mangled = gdb.Value(name).cast(gdb.lookup_type("char").pointer()).string()
    prefix = "typeinfo name for "
    return gdb.execute("demangle -l c++ -- _ZTS" + mangled.lstrip("*"), to_string=True).strip()[len(prefix) :]


def short(name):
    return re.sub(r"std::(__cxx11::)?basic_string<char, std::char_traits<char>, std::allocator<char> ?>", "std::string", name)


def shown(operations, address, secret):
    name = type_name(operations)
    if secret:
        return "<%s>" % short(name)
    try:
        type_ = gdb.lookup_type(name)
    except gdb.error:
        if name.startswith("std::__cxx11::basic_string<char,"):
            return '"%s"' % text(*words(address, 2))
        return "<%s at %#x>" % (short(name), address)
    return gdb.Value(address).cast(type_.pointer()).dereference().format_string()


def cells(map_):
    """The addresses of the bindings of a map."""
    capacity = (narrow(map_) >> 4) + 1
    if capacity > 64:
        raise gdb.GdbError("contextvars: there is no map at %#x" % map_)
    for i in range(capacity):
        yield map_ + 32 + 16 * i
    rest = word(map_ + 16)
    if rest:
        yield from cells_of_trie(rest)


def cells_of_trie(part):
    if narrow(part + 4) == 0:  # a leaf
        for i in range(16):
            yield part + 8 + 16 * i
        return
    for child in words(part + 8, 64):
        if child:
            yield from cells_of_trie(child)


def bindings(map_):
    """Pairs of a Key and the address of the word that holds its value."""
    return [(Key(word(cell)), cell + 8) for cell in cells(map_) if word(cell) != EMPTY_KEY]


def described(map_):
    return ", ".join(
        "%s%s = %s" % (key.name, "" if key.exists else " (destroyed)", key.value(value))
        for key, value in bindings(map_)
    ) or "no bindings"


class Frame:
    def __init__(self, address):
        self.address = address
        self.identity, self.context, self.published, self.previous, self.previous_map = words(address, 5)

    def name(self):
        if self.previous_map == 0:
            return BASE
        if self.context == 0:
            return "a copy that belongs to a coroutine or callback"
        return "<Context at %#x>" % self.context


BASE = "this thread's base context"


def current_map():
    return word(symbol("contextvars_v0_current_map", NAMESPACE + "(anonymous namespace)::current_map_slot"))


def entered():
    """What the selected thread has entered: triples of a frame's address or 0, a name and a map."""
    top = word(symbol("contextvars_v0_top_frame", NAMESPACE + "(anonymous namespace)::top_frame_slot"))
    map_ = current_map()
    seen = set()  # in a core file of overwritten memory, the chain may have no end
    while top and top not in seen:
        seen.add(top)
        frame = Frame(top)
        yield top, frame.name(), map_
        if frame.previous_map == 0:
            return
        top, map_ = frame.previous, frame.previous_map
    yield 0, BASE, map_


def thread_that_runs(frame):
    """The number of the thread that has entered a frame, and what it has entered from there on down."""
    selected, selected_frame = gdb.selected_thread(), gdb.selected_frame()
    try:
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            chain = list(entered())
            for i, (address, _, _) in enumerate(chain):
                if address == frame:
                    return thread.num, chain[i:]
    finally:
        selected.switch()
        selected_frame.select()
    return None


def describe_flow(address):
    """The bindings of a flow; if it runs, a line more for each context that is entered below it."""
    frame = Frame(address)
    if frame.previous != NOT_RUNNING:
        found = thread_that_runs(address)
        if found:
            number, ((_, _, map_), *below) = found
            lines = ["running on thread %d: %s" % (number, described(map_))]
            return "\n".join(lines + ["%s: %s" % (name, described(map_)) for _, name, map_ in below])
    map_ = word(frame.context) if frame.context else frame.previous_map
    return "suspended: " + described(map_)


def address_of(value):
    type_ = value.type.strip_typedefs()
    if type_.code == gdb.TYPE_CODE_REF:
        value, type_ = value.referenced_value(), type_.target().strip_typedefs()
    return int(value) if type_.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_INT) else int(value.address)


def flow_of_promise(value):
    """The flow in a promise, which derives from context_promise, perhaps not directly."""
    for field in value.type.strip_typedefs().fields():
        if not field.is_base_class:
            continue
        if field.type.strip_typedefs().name.startswith("contextvars::v0::context_promise<"):
            return int(value[field]["state_"]["flow"])
        found = flow_of_promise(value[field])
        if found:
            return found
    return 0


def flow_of_coroutine(handle):
    type_ = handle.type.strip_typedefs()
    if type_.code == gdb.TYPE_CODE_REF:
        handle, type_ = handle.referenced_value(), type_.target().strip_typedefs()
    try:
        promise = type_.template_argument(0)
        frame = int(handle[type_.fields()[0]])
    except (RuntimeError, IndexError, gdb.error):
        raise gdb.GdbError("this is no std::coroutine_handle<PROMISE>: %s" % type_)
    alignment = max(promise.alignof, 1)
    address = frame + (16 + alignment - 1) // alignment * alignment  # behind two pointers to functions
    flow = flow_of_promise(gdb.Value(address).cast(promise.pointer()).dereference())
    if not flow:
        raise gdb.GdbError("the promise is no context_promise: %s" % promise)
    return flow


class Contextvars(gdb.Command):
    """contextvars: shows the contexts that the selected thread has entered, the current one first.
    contextvars flow EXPRESSION: shows the bindings of a flow.
    contextvars coroutine HANDLE: shows those of a coroutine whose promise is a context_promise."""

    def __init__(self):
        super().__init__("contextvars", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        what, _, expression = argument.strip().partition(" ")
        try:
            if what == "flow" and expression:
                gdb.write(describe_flow(address_of(gdb.parse_and_eval(expression))) + "\n")
            elif what == "coroutine" and expression:
                gdb.write(describe_flow(flow_of_coroutine(gdb.parse_and_eval(expression))) + "\n")
            elif not what:
                for _, name, map_ in entered():
                    gdb.write("%s: %s\n" % (name, described(map_)))
            else:
                raise gdb.GdbError("usage: contextvars [flow EXPRESSION | coroutine HANDLE]")
        except gdb.MemoryError as error:
            raise gdb.GdbError("contextvars: the memory is not there: %s" % error)


class VariablePrinter:
    def __init__(self, value):
        self.address = int(value.address)

    def to_string(self):
        operations = word(self.address + 8)
        key = word(self.address)
        result = '<ContextVar "%s"' % string_view(self.address + 16)
        try:
            for bound, at in bindings(current_map()):
                if bound.key == key:
                    result += " = " + bound.value(at)
            return result + " of " + short(type_name(operations)) + ">"
        except (gdb.error, gdb.GdbError):
            return result + ">"  # there is no process


class TokenPrinter:
    def __init__(self, value):
        self.undo = value["undo_"]

    def to_string(self):
        key = int(self.undo["key"])
        if key == EMPTY_KEY:
            return "<Token, moved from>"
        state = int(self.undo["state"])
        variable = Key(key)
        old = variable.value(int(self.undo["old_value"].address)) if state in (1, 3) else "missing"
        return '<Token of "%s", %sold value %s>' % (variable.name, "used, " if state < 2 else "", old)


class ContextPrinter:
    def __init__(self, value):
        self.address = int(value.address)

    def to_string(self):
        bound, state = words(self.address, 2)
        return "<Context at %#x%s: %s>" % (
            self.address,
            (" as it was when it was entered" if state & 1 else " of a task") if state & 3 else "",
            described(bound),
        )


class FlowPrinter:
    def __init__(self, value):
        self.address = int(value.address)

    def to_string(self):
        return "<flow, %s>" % describe_flow(self.address).partition("\n")[0]


def register():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("contextvars")
    printers.add_printer("ContextVar", "^contextvars::v0::ContextVar<.*>$", VariablePrinter)
    printers.add_printer("Token", "^contextvars::v0::Token<.*>$", TokenPrinter)
    printers.add_printer("Context", "^contextvars::v0::Context$", ContextPrinter)
    printers.add_printer("flow", "^contextvars::v0::ext::flow$", FlowPrinter)
    gdb.printing.register_pretty_printer(gdb.current_objfile(), printers, replace=True)
    Contextvars()


register()
