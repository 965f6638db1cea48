/* References to maps and to values in nodes: "the last one needs no lock".
 *
 * Modelled: add_one, drop_one, release_one_of_two (src/storage/counts.hpp); share, unshared, clone, drop_shared
 * (src/storage/map); share_node, release_node (src/storage/node.cpp), share_own_node (detail/value.hpp);
 * release_bindings, release_old_value; as bind, unbind and ~Token use them.
 *
 * Two threads call one bound callable, whose map both count, and which is destroyed meanwhile. Each
 * sets the one variable (in place or in a clone), and drops the token; one of them resets the variable
 * before, and gives a third thread a reference to its map, which clones it.
 *
 * Property: nobody uses a map or a value that was freed; nobody reads a map while it is changed in
 * place; maps and the value are freed once, and none is left; the value's destructor sees what
 * every holder has done to the value.
 *
 * What is weaker than sequential consistency:
 *  - Adding is relaxed: whoever adds one holds one, so the count cannot fall to 0 meanwhile, and what
 *    the new holder sees it is given in some other way (a lock, the start of a thread).
 *  - Dropping is a release, and finding that one's own reference is the last one (drop_one, unshared) an
 *    acquire. So the model has, for each thread, the others whose last use of the value happened before
 *    what it does (`view`). A release adds this to what the count hands on, an acquire takes that over.
 *    What reads, modifies and writes in one step hands on what was handed on before; a plain store
 *    does not: it ends the release sequence.
 *  - So share_own_node and release_one_of_two, which store, load with acquire: whoever drops last
 *    reads their store, and is synchronised with them alone.
 *  - What these load is not too old: who added a reference through the map did so before it dropped the
 *    map, and unshared() has acquired that. Relaxed would be: the load perhaps comes before it.
 *
 * Mutations: BREAK_ADD: a single reference becomes two by a store, though two threads use it.
 * BREAK_DROP: load and store, not one step. BREAK_RELEASE, BREAK_RELEASE_MAP, BREAK_ACQUIRE,
 * BREAK_UNSHARED, BREAK_OWN_ACQUIRE, BREAK_TWO_ACQUIRE: that order is relaxed (of dropping a value, or a
 * map; of drop_one, unshared, share_own_node, release_one_of_two). BREAK_IN_PLACE: unshared is not asked.
 * BREAK_OWN: share_own_node, if others can use the reference. BREAK_TWO: release_one_of_two, if the
 * map has not been the thread's alone since.
 */
#define MAPS 4
#define THREADS 4 /* the third one clones, the last one destroys the callable */
#define CALLABLES 0 /* map; the others are clones, of threads 0, 1 and 2 */

bool is_alive[MAPS];
byte references[MAPS];
bool has_value[MAPS]; /* else something that nobody counts */
bool is_changing[MAPS];

bool value_is_alive = true;
byte value_references = 1;

/* Happens before, one bit for each thread: whose last use of the value happened before what a thread does
 * now; and what a count hands on to who reads it with acquire: the views of those who released. */
byte users;
byte view[THREADS];
byte handed_on;
byte map_handed_on[MAPS];
#define BIT(me) (1 << (me))

byte started;

/* Nothing that was handed on before tells of this use. */
inline use_value() {
    d_step {
        assert(value_is_alive);
        users = users | BIT(me);
        for (i : 0 .. THREADS - 1) { view[i] = view[i] & ~BIT(me) };
        for (i : 0 .. MAPS - 1) { map_handed_on[i] = map_handed_on[i] & ~BIT(me) };
        handed_on = handed_on & ~BIT(me);
        view[me] = view[me] | BIT(me);
        i = 0
    }
}

/* Memory orders. What is read, modified and written hands on what was handed on before; a store does not. */
#ifdef BREAK_ACQUIRE
#define ACQUIRE_IN_DROP(from) skip
#else
#define ACQUIRE_IN_DROP(from) view[me] = view[me] | from
#endif
#define RELEASE(to) to = to | view[me]

inline add_one(map) {
#ifdef BREAK_ADD
    d_step { assert(is_alive[map]); is_last = references[map] == 1 };
    if
    :: is_last -> d_step { is_last = false; references[map] = 2; map_handed_on[map] = 0 }
    :: else -> d_step { assert(is_alive[map]); references[map]++ }
    fi
#else
    d_step { assert(is_alive[map]); references[map]++ }
#endif
}

inline share_node() {
    d_step { assert(value_is_alive); value_references++ }
}

inline share_own_node() {
    d_step {
        assert(value_is_alive);
        is_last = value_references == 1;
#ifndef BREAK_OWN_ACQUIRE
        view[me] = view[me] | handed_on
#endif
    };
    if
    :: is_last ->
        d_step { assert(value_is_alive); is_last = false; value_references = 2; handed_on = 0 }
    :: else -> share_node()
    fi
}

inline release_node() {
    use_value();
    d_step {
        assert(value_is_alive);
        count = value_references;
        is_last = count == 1;
        ACQUIRE_IN_DROP(handed_on)
    };
    if
    :: is_last
    :: else ->
        d_step {
            assert(value_is_alive);
#ifdef BREAK_DROP
            value_references = count;
#endif
            value_references--;
            is_last = value_references == 0;
#ifndef BREAK_RELEASE
            RELEASE(handed_on);
#endif
            ACQUIRE_IN_DROP(handed_on)
        }
    fi;
    if
    :: is_last ->
        d_step {
            assert(value_is_alive && (users & ~view[me]) == 0);
            value_is_alive = false;
            is_last = false
        }
    :: else
    fi;
    count = 0
}

inline drop(map) {
    d_step {
        assert(is_alive[map]);
        is_last = references[map] == 1;
        ACQUIRE_IN_DROP(map_handed_on[map])
    };
    if
    :: is_last
    :: else ->
        d_step {
            assert(is_alive[map]);
            references[map]--;
            is_last = references[map] == 0;
            RELEASE(map_handed_on[map]);
            ACQUIRE_IN_DROP(map_handed_on[map])
        }
    fi;
    if
    :: is_last ->
        d_step { assert(is_alive[map] && !is_changing[map]); is_alive[map] = false; is_last = false };
        if
        :: has_value[map] -> release_node()
        :: else
        fi
    :: else
    fi
}

/* The map's holder counts the value for the clone. */
inline copy_cells(map, made) {
    assert(is_alive[map] && !is_changing[map]);
    d_step { is_alive[made] = true; references[made] = 1; has_value[made] = has_value[map] };
    if
    :: has_value[map] ->
#ifdef BREAK_OWN
        share_own_node()
#else
        share_node()
#endif
    :: else
    fi
}

/* Returns the clone in `map`. */
inline clone(map, made) {
#ifdef BREAK_RELEASE_MAP
    if
    :: copy_cells(map, made); drop(map)
    :: atomic { references[map] > 1 -> references[map]-- };
        copy_cells(map, made)
    fi;
#else
    copy_cells(map, made);
    drop(map);
#endif
    map = made
}

/* Makes `map` one that only this thread has, if it is not. */
inline own(map, made) {
    d_step {
#ifdef BREAK_IN_PLACE
        is_last = true;
#else
        is_last = references[map] == 1;
#endif
#ifndef BREAK_UNSHARED
        view[me] = view[me] | map_handed_on[map]
#endif
    };
    if
    :: is_last -> is_last = false
    :: else -> clone(map, made)
    fi
}

inline write(map, value) {
    d_step { assert(is_alive[map] && !is_changing[map]); is_changing[map] = true };
    d_step { is_changing[map] = false; has_value[map] = value }
}

proctype other(byte me, map) {
    byte i, count;
    bool is_last;
    clone(map, 3);
    drop(map)
}

proctype caller(byte me) {
    byte map = CALLABLES, i, count;
    bool is_last, is_shared;
    add_one(map);
    started++;
    assert(is_alive[map] && !is_changing[map]); /* get() */
    own(map, me + 1);
    /* The token takes over the map's reference to the value. */
    write(map, false);
    if
    :: me != 0 -> /* no reset */
        release_node()
    :: else ->
        share_own_node();
        write(map, true);
        add_one(map);
        view[2] = view[0];
        run other(2, map);
#ifndef BREAK_TWO
        /* Another variable is set, so the map has its writer again if it is the thread's alone; else
         * the token does not go into release_one_of_two. */
#ifdef BREAK_UNSHARED
        count = value_references;
        is_shared = references[map] != 1
#else
        d_step { is_shared = references[map] != 1; view[0] = view[0] | map_handed_on[map] }
#endif
#else
        skip
#endif
        if
        :: is_shared -> release_node()
        :: else ->
            d_step {
#ifdef BREAK_UNSHARED
                skip;
#else
                assert(value_is_alive);
                count = value_references;
#endif
#ifndef BREAK_TWO_ACQUIRE
                view[me] = view[me] | handed_on
#endif
            };
            if
            :: count == 2 ->
                use_value();
                d_step { assert(value_is_alive && value_references > 0); value_references = 1; handed_on = 0; count = 0 }
            :: else -> count = 0; release_node()
            fi
        fi
    fi;
    drop(map)
}

init {
    byte me = 3, map = CALLABLES, i, count;
    bool is_last;
    d_step { is_alive[map] = true; references[map] = 1; has_value[map] = true };
    atomic { run caller(0); run caller(1) };
    started == 2;
    drop(map); /* the callable is destroyed; perhaps by what it calls */
    _nr_pr == 1;
    for (map : 0 .. MAPS - 1) { assert(!is_alive[map]) };
    assert(!value_is_alive)
}
