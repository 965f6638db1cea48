/* The exchange of free blocks between threads.
 *
 * Modelled: block_exchange::give and take, as block_cache::make_room, refill and clear use them
 * (src/storage/blocks.hpp).
 *
 * Threads that free write the links of a chain and give it; threads that allocate take one and follow
 * its links; then a chain is given once more. There are fewer places than chains.
 *
 * Property: a chain has one owner; who takes it sees the links as they were written last; none is
 * lost: a chain is in a place, or a thread's, or was given back to malloc.
 *
 * What is weaker than sequential consistency:
 *  - Giving is a compare-exchange with release: the links are visible before the chain is. Relaxed
 *    would be: perhaps after. So the links wait in the store buffer (`links_later`), and may leave it
 *    late only with that mutation.
 *  - Taking is an exchange with acquire: the links are read after it. Relaxed would be: perhaps before
 *    it, as they were when the blocks had another owner (that the pointer comes first, since the links
 *    are behind it, is what processors do, but no promise of the language).
 *  - Both look at a place by a relaxed load first: only a hint. A chain that is overlooked stays where
 *    it is; a place that was free is compared once more when it is written.
 *
 * Mutations: BREAK_TAKE, BREAK_GIVE: load and store, not one step. BREAK_RELEASE, BREAK_ACQUIRE: that
 * order is relaxed. BREAK_HINT: the hint is believed, and what stands in the place then is overwritten.
 * BREAK_LOST: that there was no place is not told.
 */
#define PLACES 2
#define CHAINS 3
#define MALLOC 9

byte places[PLACES]; /* 0: none; else a chain's number */
byte owner[CHAINS + 1];
byte links[CHAINS + 1];
byte written[CHAINS + 1];
bool links_later[CHAINS + 1];

active proctype memory() {
    byte chain;
end:
    do
    :: atomic { links_later[1] -> links_later[1] = false; links[1] = written[1] }
    :: atomic { links_later[2] -> links_later[2] = false; links[2] = written[2] }
    :: atomic { links_later[3] -> links_later[3] = false; links[3] = written[3] }
    od
}

inline write_links(me, chain) {
    atomic {
        assert(owner[chain] == me);
        !links_later[chain] -> written[chain]++;
        links_later[chain] = true
    }
}

inline give(me, chain) {
    i = 0;
    is_done = false;
    do
    :: i == PLACES -> break
    :: else ->
        if
        :: places[i] == 0 ->
#ifdef BREAK_GIVE
            if
            :: places[i] == 0 ->
                owner[chain] = 0;
                places[i] = chain;
                is_done = true;
                break
            :: else
            fi
#else
            atomic {
#ifndef BREAK_RELEASE
                !links_later[chain];
#endif
                if
#ifndef BREAK_HINT
                :: places[i] == 0 ->
#else
                :: true ->
#endif
                    owner[chain] = 0;
                    places[i] = chain;
                    is_done = true;
                    break
                :: else
                fi
            }
#endif
        :: else
        fi;
        i++
    od;
    if
    :: is_done
    :: else ->
#ifndef BREAK_LOST
        owner[chain] = MALLOC
#else
        owner[chain] = 0
#endif
    fi
}

/* Returns: 0, or a chain that is this thread's. */
inline take(me, chain) {
    i = 0;
    chain = 0;
    do
    :: i == PLACES -> break
    :: else ->
#ifdef BREAK_ACQUIRE
        saw = links[places[i]];
#endif
        if
        :: places[i] != 0 ->
#ifdef BREAK_TAKE
            chain = places[i];
            places[i] = 0;
#else
            atomic { chain = places[i]; places[i] = 0 };
#endif
            if
            :: chain != 0 -> break
            :: else
            fi
        :: else
        fi;
        i++
    od;
    if
    :: chain != 0 ->
        d_step { assert(owner[chain] == 0); owner[chain] = me };
#ifndef BREAK_ACQUIRE
        saw = links[chain];
#endif
        assert(saw == written[chain])
    :: else
    fi
}

proctype frees(byte me, chain) {
    byte i;
    bool is_done;
    write_links(me, chain);
    give(me, chain)
}

proctype allocates(byte me, times) {
    byte chain, i, saw;
    bool is_done;
    do
    :: times == 0 -> break
    :: else ->
        times--;
        take(me, chain);
        if
        :: chain != 0 && times != 0 -> /* it is used, and freed on this thread */
            write_links(me, chain);
            give(me, chain);
            chain = 0
        :: else
        fi
    od
}

init {
    byte chain, place, homes;
    atomic {
        for (chain : 1 .. CHAINS) { owner[chain] = chain };
        run frees(1, 1);
        run frees(2, 2);
        run frees(3, 3);
        run allocates(4, 2);
        run allocates(5, 1)
    };
    _nr_pr == 2;
    for (chain : 1 .. CHAINS) {
        homes = (owner[chain] != 0 -> 1 : 0);
        for (place : 0 .. PLACES - 1) {
            homes = homes + (places[place] == chain -> 1 : 0)
        };
        assert(homes == 1)
    }
}
