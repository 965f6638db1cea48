/* Copying a Context while another thread enters, changes and leaves it.
 *
 * Modelled: context_lock, its spin_lock (src/process/locks); context_access::share_bindings, leave (src/current/context.cpp);
 * own_current_map, begin_writing (src/current/context_var.cpp); share, clone, unshared, end (src/storage/map);
 * freeze, map_writer (detail/map.hpp); release_bindings, drop_shared, drop_one; pinned_map.
 * That one thread at a time is inside is the property of enter.pml, and assumed here.
 *
 * Property: nobody counts, reads or drops a map that was freed; nobody reads a map while it is
 * changed, or does not see all that was written to it; a copy does not change after it was made;
 * each map is freed once, and none is left.
 *
 * What is weaker than sequential consistency:
 *  - Giving the lock back is a release store, without a locked instruction. It may stay in the store
 *    buffer (`later`) while who leaves goes on and looks whether the map before is its alone. This is
 *    right only since the lock leaves the buffer last: a copier that gets it finds the new map in
 *    the context, and can add no reference to the map before any more. Relaxed would be: in any order.
 *  - Taking the lock is an exchange with acquire: the context's map is read after it. Relaxed would
 *    be: perhaps before it.
 *  - The context's map itself is read and written relaxed: only with the lock, or by who is inside.
 *  - References are added relaxed: whoever adds one holds one, or has the lock of who does.
 *  - That dropping is acquire and release is the subject of count.pml.
 *
 * Mutations: BREAK_COPY, BREAK_LEAVE: no lock there. BREAK_RELEASE, BREAK_ACQUIRE: that order of the
 * lock is relaxed. BREAK_SHARE: the lock is given back before the reference is added. BREAK_PUBLISHED:
 * a map that nobody else counts is changed in place, though its context shows it. BREAK_FREEZE:
 * sharing does not freeze. BREAK_LEAVE_FROZEN: a map that comes into the context is not frozen.
 * BREAK_GIVES: a clone takes over the context's reference.
 */
#define MAPS 7
#define NONE 255

byte bindings;  /* the context's map */
bool is_taken;  /* its lock */

/* Maps, whose memory is used again. */
bool is_alive[MAPS];
byte references[MAPS];
bool has_writer[MAPS];
bool is_changing[MAPS];

/* Stores of who runs the context, on their way to memory. */
byte content_later = NONE; /* of which map */
bool bindings_later;
byte later_bindings;
bool free_later; /* the lock */

#ifdef BREAK_RELEASE
#define MAY_GO true
#else
#define MAY_GO (content_later == NONE && !bindings_later)
#endif

active proctype memory() {
end:
    do
    :: atomic { content_later != NONE -> content_later = NONE }
    :: atomic { bindings_later -> bindings = later_bindings; bindings_later = false }
    :: atomic { free_later && MAY_GO -> free_later = false; is_taken = false }
    od
}

inline take_lock() { atomic { !is_taken -> is_taken = true } }

/* In a d_step. */
inline make_map(into) {
    into = 0;
    do
    :: is_alive[into] -> into++
    :: else -> break
    od;
    is_alive[into] = true;
    references[into] = 1
}

inline drop(map) {
    d_step { assert(is_alive[map]); is_last = references[map] == 1 };
    if
    :: is_last
    :: else -> d_step { assert(is_alive[map]); references[map]--; is_last = references[map] == 0 }
    fi;
    if
    :: is_last ->
        d_step {
            assert(is_alive[map] && !is_changing[map]);
            is_last = false;
            is_alive[map] = false;
            references[map] = 0;
            has_writer[map] = false
        }
    :: else
    fi
}

/* Of a map that has a writer, which only its one holder can reach; or else of any. */
inline share(map) {
    d_step {
        assert(is_alive[map]);
        if
        :: has_writer[map] -> references[map] = 2
        :: else -> references[map]++
        fi;
#ifndef BREAK_FREEZE
        has_writer[map] = false
#endif
    }
}

/* Changes `map`, in place or a clone of it. */
inline set(map, published) {
    d_step {
        is_own = has_writer[map] ||
#ifdef BREAK_PUBLISHED
            references[map] == 1;
#else
            (references[map] == 1 && map != published);
#endif
        if
        :: is_own -> has_writer[map] = true
        :: else
        fi
    };
    if
    :: is_own
    :: else ->
        d_step {
            assert(is_alive[map] && !is_changing[map]);
            make_map(made);
            has_writer[made] = true
        };
#ifndef BREAK_GIVES
        if
        :: map == published
        :: else -> drop(map)
        fi;
#else
        drop(map);
#endif
        d_step { map = made; made = NONE }
    fi;
    d_step { is_own = false; assert(is_alive[map] && !is_changing[map]); is_changing[map] = true };
    is_changing[map] = false
}

proctype runner() {
    byte published, live, copy, before = NONE, made = NONE;
    bool is_last, is_own;
    byte times = 2;
    do
    :: times == 0 -> break
    :: else ->
        times--;
        published = (bindings_later -> later_bindings : bindings);
        live = published;
        if
        :: true -> skip
        :: true ->
            set(live, published);
            if
            :: true -> skip
            :: true -> /* a copy that this thread makes of what it has set */
                share(live);
                copy = live;
                set(live, published);
                assert(live != copy);
                drop(copy);
                copy = NONE
            fi;
            d_step { content_later == NONE -> content_later = live }
        fi;
        if
        :: live == published
        :: else ->
#ifndef BREAK_LEAVE_FROZEN
            has_writer[live] = false;
#endif
#ifdef BREAK_LEAVE
            before = (bindings_later -> later_bindings : bindings);
            atomic { later_bindings = live; bindings_later = true };
#else
            take_lock();
            before = bindings;
            atomic { later_bindings = live; bindings_later = true; free_later = true };
#endif
            drop(before);
            before = NONE
        fi
    od
}

proctype copier(bool sets) {
    byte copy = NONE, made = NONE;
    bool is_last, is_own;
#ifdef BREAK_ACQUIRE
    copy = bindings;
#endif
#ifndef BREAK_COPY
    take_lock();
#endif
#ifndef BREAK_ACQUIRE
    copy = bindings;
#endif
#ifdef BREAK_SHARE
    is_taken = false;
    share(copy)
#else
    share(copy);
#ifndef BREAK_COPY
    is_taken = false
#endif
#endif
    ;
    assert(is_alive[copy] && !is_changing[copy] && content_later != copy);
    if
    :: sets -> set(copy, NONE) /* in the copy, which nobody else can use */
    :: else
    fi;
    drop(copy)
}

init {
    byte map;
    d_step { make_map(map) };
    atomic { bindings = map; run runner(); run copier(true); run copier(false) };
    _nr_pr == 2 && !bindings_later && !free_later;
    d_step { assert(is_alive[bindings] && references[bindings] == 1); is_alive[bindings] = false };
    for (map : 0 .. MAPS - 1) { assert(!is_alive[map]) }
}
