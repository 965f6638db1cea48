/* Entering and leaving a Context: its word `state_`.
 *
 * Modelled: Entered::begin, Entered::~Entered, begin_contended, context_access::leave_idle, leave;
 * flow::flow(Context&), flow::resume_reserved, flow::suspend_reserved, flow::end (context.hpp, src/current/context.cpp).
 *
 * Property: one thread at a time is inside, and none while the context is reserved for a task; who
 * comes in sees the bindings that the last one left; the context keeps its identity; an entry is
 * refused only if the context is in use.
 *
 * What is weaker than sequential consistency:
 *  - Leaving is a release store, which may stay in the store buffer (`later`) while the thread goes on.
 *    Release: what was written before leaves the buffer before it. Relaxed would be: in any order.
 *  - Entering is a compare-exchange with acquire: the bindings are read after it. Relaxed would be:
 *    perhaps before it. It reads the release store of who left last, since all writes to the word
 *    are one order, so all that was done inside before happens before all that is done inside now.
 *  - The first load is relaxed: only an expectation, which the compare-exchange confirms.
 *
 * Mutations: BREAK_EXCHANGE: the word is compared and written in two steps. BREAK_RELEASE,
 * BREAK_ACQUIRE: that order is relaxed. BREAK_RETRY: an entry is refused if the word has changed, in
 * use or not. BREAK_RESERVED: a reserved context is taken for an idle one. BREAK_IDENTITY: who leaves
 * puts back the identity that was there when it entered.
 */
#define ENTERED 1
#define RESERVED 2
#define IN_USE 3
#define NUMBER(me) (32 + 4 * (me)) /* of a thread; also the address of a task's frame */
#define THREADS 3 /* the last one runs the task */

short state;   /* 0, an identity, a thread's number + 1, or a frame's address + 2 */
byte bindings; /* how often they were changed */

/* Stores on their way to memory. */
bool bindings_later[THREADS];
byte later_bindings[THREADS];
bool state_later[THREADS];
short later_state[THREADS];

/* What is true, if one looks from outside. */
byte inside;
bool is_reserved;
byte changes;
short known_identity;

#ifdef BREAK_RELEASE
#define MAY_GO(me) true
#else
#define MAY_GO(me) (!bindings_later[me])
#endif
#define GOES(me) \
    :: atomic { bindings_later[me] -> bindings = later_bindings[me]; bindings_later[me] = false } \
    :: atomic { state_later[me] && MAY_GO(me) -> state = later_state[me]; state_later[me] = false }

active proctype memory() {
end:
    do
    GOES(0)
    GOES(1)
    GOES(2)
    od
}

/* A thread's own stores to the word come before its later operations on it. */
#define OWN_STORE_IS_DONE(me) (!state_later[me])

inline store_state(me, value) {
    atomic { OWN_STORE_IS_DONE(me); later_state[me] = value; state_later[me] = true }
}

inline read_bindings(me, into) {
    atomic {
        if
        :: bindings_later[me] -> into = later_bindings[me]
        :: else -> into = bindings
        fi
    }
}

/* Returns in `has_entered` whether it was idle, and is `next` now; then `identity` is what it was. */
inline leave_idle(me, next) {
    OWN_STORE_IS_DONE(me) -> before = state;
    do
#ifdef BREAK_RESERVED
    :: (before & ENTERED) != 0 -> break
#else
    :: (before & IN_USE) != 0 -> break
#endif
    :: else ->
        atomic {
            if
            :: state == before -> state = next; identity = before; has_entered = true; break
            :: else -> before = state
            fi
        }
    od
}

inline begin(me) {
    OWN_STORE_IS_DONE(me) -> before = state & ~IN_USE;
#ifdef BREAK_ACQUIRE
    read_bindings(me, seen);
#endif
#ifdef BREAK_EXCHANGE
    if
    :: state == before -> state = NUMBER(me) + ENTERED; identity = before; has_entered = true
    :: else
    fi;
#else
    atomic {
        if
        :: state == before -> state = NUMBER(me) + ENTERED; identity = before; has_entered = true
        :: else -> before = state
        fi
    }
#endif
    if
    :: has_entered
    :: else ->
#ifndef BREAK_RETRY
        leave_idle(me, NUMBER(me) + ENTERED)
#endif
    fi
}

/* What runs inside: it may need the identity, and may change the bindings. */
inline work(me) {
    atomic { assert(inside == 0); inside++ };
#ifndef BREAK_ACQUIRE
    read_bindings(me, seen);
#endif
    assert(seen == changes);
    assert(identity == known_identity);
    if
    :: identity == 0 ->
#ifndef BREAK_IDENTITY
        identity = 4 * (me + 1);
#endif
        known_identity = 4 * (me + 1)
    :: true
    fi;
    if
    :: changes < 3 ->
        atomic {
            !bindings_later[me];
            changes++;
            later_bindings[me] = seen + 1;
            bindings_later[me] = true
        }
    :: true
    fi;
    inside--
}

proctype thread(byte me; byte times) {
    short before, identity;
    byte seen;
    bool has_entered;
    do
    :: times == 0 -> break
    :: else ->
        times--;
        has_entered = false;
        begin(me);
        if
        :: has_entered ->
            assert(!is_reserved);
            work(me);
            store_state(me, identity)
        :: else -> assert((before & IN_USE) != 0)
        fi
    od
}

proctype task(byte me) {
    short before, identity;
    byte seen;
    bool has_entered;
    byte times = 2;
    leave_idle(me, NUMBER(me) + RESERVED);
    if
    :: has_entered ->
        assert(inside == 0 && !is_reserved);
        is_reserved = true;
        do
        :: times == 0 -> break
        :: else ->
            times--;
            /* Resumed; on another thread than before perhaps, but after the suspension. */
            store_state(me, NUMBER(me) + ENTERED);
            read_bindings(me, seen);
            work(me);
            store_state(me, NUMBER(me) + RESERVED)
        od;
        is_reserved = false;
        store_state(me, identity)
    :: else -> assert((before & IN_USE) != 0)
    fi
}

init {
    atomic { run thread(0, 2); run thread(1, 1); run task(2) }
}
