/* From a key to its variable, while variables are bound and destroyed.
 *
 * Modelled: registry::assign_key, registry::retire, read_entry, variable_of (src/variables/registry.cpp).
 *
 * One id is given to one variable, and, when that is gone, to a second one. Readers have a key,
 * but perhaps nothing that came before it.
 *
 * Property: a reader finds the variable that has its key, or nothing; nothing only if that variable
 * is being destroyed, or is gone.
 *
 * What is weaker than sequential consistency:
 *  - The stores to an entry are releases. In the model they become visible late (`later`) and in any
 *    order, at the latest when the lock is given back, and that does: between the old key's end and
 *    the next variable's address the lock is given back. It is the language that asks for the release:
 *    who reads an address reads a release store then, so all before it has happened before.
 *  - The reader loads the address, then the key, with acquire. If it sees the address of a later
 *    variable, then it sees that the key is another one. Relaxed would be: perhaps the key first.
 *  - The variable's own key is read relaxed: so a reader may have it before it can see the entry. Then
 *    it takes the lock, after who wrote the key while it had the lock.
 *
 * Mutations: BREAK_ACQUIRE: that order is relaxed. BREAK_LOCK: who sees nothing does not look again
 * with the lock. BREAK_GENERATION: a later variable of the same id has the same key.
 */
#define NONE 0
#define FIRST 1 /* variables, and their keys */
#define SECOND 2

byte key, address; /* the entry */
bool is_taken;
byte known_key;    /* the first variable's own */
bool is_ending;

bool key_later, address_later, known_later;
byte later_key, later_address;

active proctype memory() {
end:
    do
    :: atomic { key_later -> key_later = false; key = later_key }
    :: atomic { address_later -> address_later = false; address = later_address }
    :: atomic { known_later -> known_later = false; known_key = FIRST }
    od
}

inline store_key(value) {
    atomic { !key_later -> key_later = true; later_key = value }
}
inline store_address(value) {
    atomic { !address_later -> address_later = true; later_address = value }
}

inline take_lock() { atomic { !is_taken -> is_taken = true } }
inline give_lock_back() { atomic { !key_later && !address_later && !known_later -> is_taken = false } }

proctype owner() {
    take_lock(); /* assign_key */
    store_address(FIRST);
    store_key(FIRST);
    known_later = true; /* relaxed, as its readers take it */
    give_lock_back();

    is_ending = true;
    take_lock(); /* retire */
    store_key(NONE);
    store_address(NONE);
    give_lock_back();

    take_lock(); /* assign_key of another variable */
    store_address(SECOND);
#ifdef BREAK_GENERATION
    store_key(FIRST);
#else
    store_key(SECOND);
#endif
    give_lock_back()
}

inline look() {
#ifdef BREAK_ACQUIRE
    has_key = key == FIRST;
    found = address;
#else
    found = address;
    has_key = key == FIRST;
#endif
    d_step { found = (has_key -> found : NONE); has_key = false }
}

proctype reader() {
    byte found;
    bool has_key, ended;
    known_key == FIRST;
    look();
    ended = is_ending;
#ifndef BREAK_LOCK
    if
    :: found != NONE
    :: else ->
        take_lock();
        look();
        ended = is_ending;
        is_taken = false
    fi;
#endif
    assert(found == FIRST || (found == NONE && ended))
}

init {
    atomic { run owner(); run reader(); run reader() }
}
