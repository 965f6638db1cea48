/* fork() while other threads hold locks, and handlers of fork() that use the library.
 *
 * Modelled: before_fork, after_fork, has_all_locks, holding; context_lock::take_all and give_all
 * (src/process/locks).
 *
 * Two threads fork, while a third uses what the locks guard. Handlers of the program run before and
 * after the library's, that is, with all locks and without, and use it too.
 *
 * Property: at the moment of the fork that thread has every lock, so the child, which is a copy of that
 * moment with that one thread, finds all that they guard whole, and gives every lock back; one thread
 * at a time uses what a lock guards; nobody waits for ever.
 *
 * What is weaker than sequential consistency:
 *  - `forking` is written and read relaxed. A thread reads its own number there only if it has written
 *    it, and not written 0 since: reads of a thread never go back behind its own writes. Other
 *    numbers are not its own, however old they are. The number of a thread that has ended may become
 *    that of a new one, but the memory where its stack was is handed on with a lock of the C library:
 *    so the 0 comes before.
 *  - A lock is taken with acquire and given back with release: so all that was done under it
 *    happens before the fork, and is in the child's copy of the memory.
 *
 * Mutations: BREAK_LEAVE_OUT: fork() does not take one of the locks. BREAK_HAS: a handler takes a lock
 * that its thread has. BREAK_WHO: that anybody forks is enough for not taking it. BREAK_FIRST: a
 * thread says that it forks before it has the locks. BREAK_LAST: it says so after it has given them
 * back. BREAK_INSIDE: a lock is taken inside another one.
 */
#define LOCKS 3 /* in the order in which fork() takes them */

byte holder[LOCKS];
bool is_half_done[LOCKS];
byte forking;

inline take(i) { atomic { holder[i] == 0 -> holder[i] = me } }
inline give_back(i) { d_step { assert(holder[i] == me); holder[i] = 0 } }

/* With `holding`. */
inline use(i) {
#if defined(BREAK_HAS)
    has_all = false;
#elif defined(BREAK_WHO)
    has_all = forking != 0;
#else
    has_all = forking == me;
#endif
    if
    :: has_all
    :: else -> take(i)
    fi;
    d_step { assert(!is_half_done[i]); is_half_done[i] = true };
    is_half_done[i] = false;
    if
    :: has_all
    :: else -> give_back(i)
    fi;
    has_all = false
}

proctype forks(byte me, first, second) {
    bool has_all;
#ifdef BREAK_FIRST
    forking = me;
#endif
    take(0);
    take(1);
#ifndef BREAK_LEAVE_OUT
    take(2);
#endif
#ifndef BREAK_FIRST
    forking = me;
#endif
    use(first); /* a handler */
    /* fork() */
    d_step {
        assert(holder[0] == me && holder[1] == me && holder[2] == me);
        assert(!is_half_done[0] && !is_half_done[1] && !is_half_done[2])
    };
    use(second); /* a handler, in the parent and in the child */
#ifndef BREAK_LAST
    forking = 0;
#endif
    give_back(2);
    give_back(1);
    give_back(0);
#ifdef BREAK_LAST
    forking = 0;
#endif
    use(first)
}

proctype works(byte me) {
    bool has_all;
    use(0);
#ifdef BREAK_INSIDE
    take(2);
    use(1);
    give_back(2)
#else
    use(2);
    use(1)
#endif
}

init {
    atomic { run forks(1, 0, 2); run forks(2, 2, 1); run works(3) };
    _nr_pr == 1;
    assert(holder[0] == 0 && holder[1] == 0 && holder[2] == 0 && forking == 0)
}
