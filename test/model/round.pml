/*
 * One round from its roster to its manifest: two peers commit, upload and are checked, two deciders record, a worker
 * judges and aggregates. Peers and worker may stop for good, a decider dies and begins again. Every read and every write
 * of the bucket is a step at which another process may go first, where no comment says why two of them are one. Messages
 * need no model while there is a sweep: a decider may look at any time, whichever of them are lost or doubled.
 *
 *     spin -a round.pml && cc -O2 -DSAFETY -DNOCLAIM -o pan pan.c && ./pan && cc -O2 -DNFAIR=3 -o pan pan.c && ./pan -a -f
 *
 * Each name behind an #ifdef takes one rule of the protocol away; then an assertion or the claim fails, and spin shows how
 * (docs/reliability.md).
 */

#define ALL 3               /* a bit for each of two peers */

/* The bucket: whose commit, upload and checks stand, and the objects of the round (the roster stands already). */
byte commits = 0
byte uploads = 0
byte checked = 0
bool cutoff = false         /* the barrier: from here on nothing is acknowledged */
bool close = false
byte closed = 0             /* whose commit got a verdict ... */
byte included = 0           /* ... and whose is a good one */
bool report = false
bool selection = false
byte selected = 0           /* whose update is to be used */
byte aggregated = 0         /* whose update is in the shards */
bool manifest = false
byte published = 0          /* whose update was used; nobody's if the round is empty or void */

/* The last deadline that has passed; each counts from the object before it. */
#define TRAINING 1
#define CHECKS 2
#define EVALUATION 3
#define AGGREGATION 4
byte passed = 0

byte acknowledged = 0       /* what the API has promised */
byte delivered = 0          /* what was complete when the round was cut off */

inline consistent() {
  assert(!close || (acknowledged & ~closed) == 0);      /* what was acknowledged has a verdict */
  assert(!close || (delivered & ~included) == 0);       /* what was complete at the cutoff is included */
  assert((included & ~(closed & checked)) == 0);        /* nothing is used unchecked, ... */
  assert((selected & ~included) == 0);                  /* ... but what the close included, ... */
  assert((published & ~(selected & aggregated)) == 0)   /* ... and what is in the shards */
}

/* An object is created once: whoever comes second adopts what stands. */
#ifdef OVERWRITE
#define MAY_CREATE(object) true
#else
#define MAY_CREATE(object) !object
#endif

#ifdef NO_SWEEP
bool due = false
inline send() { if :: due = true :: skip fi }           /* a message may be lost */
#define AWAKE atomic { due -> due = false };
#else
#define send() skip
#define AWAKE
#endif

/* A peer, the API that takes its commit, and the function that checks its upload; any of them may stop for good. */
proctype Peer(byte mine) {
  if
  :: commits = commits | mine             /* stored first, ... */
  :: goto gone
  fi;
  if
#ifdef NO_BARRIER
  :: d_step { !close -> acknowledged = acknowledged | mine; consistent() }
#else
  :: d_step { !cutoff -> acknowledged = acknowledged | mine; consistent() }     /* ... then the cutoff is looked for; */
#endif                                    /* nothing in the bucket depends on the answer */
  :: goto gone                            /* refused, or no answer: no promise */
  fi;
  if
  :: uploads = uploads | mine
  :: goto gone
  fi;
  if
  :: checked = checked | mine; send()
  :: goto gone
  fi;
gone:
}

/* Reads what stands, records an object if one is due, reads again. One of two may die once, and forgets what it read. */
proctype Decider(bool mortal) {
  byte who = 0, good = 0;

read:
  end: AWAKE
#ifdef LIST_TOO_EARLY
  who = commits;
#endif
#ifdef CHECKS_TOO_EARLY
  good = checked;
#endif
  /* Objects are read in order up to the first that is absent. None goes away, so this comes to one look at that moment. */
  if
  :: !cutoff -> goto train
  :: cutoff && !close -> goto settle
  :: close && !selection -> goto evaluate
  :: selection && !manifest -> goto aggregate
  :: manifest -> goto done
  fi;

train:
  if                                      /* what it is set for stays true: no step between look and write */
  :: d_step { !cutoff && (passed >= TRAINING || checked == ALL) -> cutoff = true; delivered = checked }
  :: else
  fi;
  goto again;

settle:
#ifndef LIST_TOO_EARLY
  who = commits;                          /* listed after the barrier stood */
#endif
#ifndef CHECKS_TOO_EARLY
  good = checked;
#endif
  if
  :: (who & uploads & ~good) == 0         /* every upload is checked */
#ifndef NO_CHECK_DEADLINE
  :: passed >= CHECKS
#endif
  :: else -> goto again
  fi;
#ifdef USE_UNCHECKED
  good = who;
#endif
  if
  :: d_step { MAY_CREATE(close) -> close = true; closed = who; included = who & good; consistent() }
  :: close
  :: mortal -> mortal = false
  fi;
  goto again;

evaluate:
  if
  :: report -> who = included
  :: !report && passed >= EVALUATION -> who = 0         /* nothing judged: nobody is selected */
  :: else -> goto again
  fi;
  if
  :: d_step { MAY_CREATE(selection) -> selection = true; selected = who; consistent() }
  :: selection
  :: mortal -> mortal = false
  fi;
  goto again;

aggregate:
  if
  :: selected == 0 -> who = 0             /* empty */
  :: aggregated != 0 -> who = selected    /* applied */
#ifndef NO_AGGREGATION_DEADLINE
#ifdef USE_UNAGGREGATED
  :: aggregated == 0 && passed >= AGGREGATION -> who = selected
#else
  :: aggregated == 0 && passed >= AGGREGATION -> who = 0        /* void */
#endif
#endif
  :: else -> goto again
  fi;
  if
#ifdef OVERWRITE_MANIFEST
  :: d_step { assert(!manifest || published == who); manifest = true; published = who; consistent() }
#else
  :: d_step { MAY_CREATE(manifest) -> manifest = true; published = who; consistent() }
#endif
  :: manifest
  :: mortal -> mortal = false
  fi;

again:
  atomic { who = 0; good = 0 };
  goto read;
done:
}

/* Judges, then aggregates, as evaluators and functions do. */
proctype Worker() {
  close;
  if
  :: report = true; send()
  :: skip
  fi;
  selection;
  if
  :: aggregated = selected; send()
  :: skip
  fi
}

proctype Time() {
  passed = TRAINING;
  cutoff;
  passed = CHECKS;
  close;
  passed = EVALUATION;
  selection;
  passed = AGGREGATION
}

init {
  atomic { run Peer(1); run Peer(2); run Decider(true); run Decider(false); run Worker(); run Time() }
}

/* Whatever happens, the round ends. What else must hold is asserted where it could break. */
ltl ends { <> manifest }
