/*
 * One round as its five objects: two peers commit, two deciders record, an evaluator reports. Messages are lost and
 * doubled, an object is created once, every statement is a step at which another process may go first.
 *
 *     spin -a round.pml && cc -O2 -DSAFETY -DNOCLAIM -o pan pan.c && ./pan && cc -O2 -DNFAIR=3 -o pan pan.c && ./pan -a -f
 *
 * NO_BARRIER, LIST_TOO_EARLY, OVERWRITE and NO_SWEEP each take one rule of the protocol away; then an assertion or
 * the claim fails, and spin shows how (docs/reliability.md).
 */

#define ALL 3               /* a bit for each of two peers */

/* The bucket: whose commit stands, and the five objects of the round (the roster stands already). */
byte commits = 0
bool cutoff = false         /* the barrier: from here on nothing is acknowledged */
bool close = false
byte closeSet = 0           /* whose commit got a verdict */
bool report = false
bool selection = false
byte selected = 0           /* whose update is used */
bool manifest = false
byte published = 0          /* what the manifest says was used */

bool trainingOver = false   /* deadlines: once passed, they stay so */
bool evaluationOver = false

byte acknowledged = 0       /* what the API has promised */
bool due = false            /* somebody asked for a decision: a message, or the schedule */

/* What was acknowledged has a verdict; what is selected was closed; what is published was selected. */
inline consistent() {
  assert(!close || (acknowledged & ~closeSet) == 0);
  assert((selected & ~closeSet) == 0);
  assert(!manifest || published == selected)
}

/* A message may be lost. */
inline send() {
  if
  :: due = true
  :: skip
  fi
}

/* A peer and the API that takes its commit; either may stop between any two steps. */
proctype Peer(byte mine) {
  bool seen;
  if
  :: commits = commits | mine             /* stored first ... */
  :: goto gone                            /* it never comes */
  fi;
#ifdef NO_BARRIER
  seen = close;
#else
  seen = cutoff;                          /* ... then the cutoff is looked for */
#endif
  if
  :: !seen -> d_step { acknowledged = acknowledged | mine; consistent() }
  :: skip                                 /* refused, or the API died: no promise */
  fi;
  send();
gone:
  skip
}

/* Reads what stands, records at most one object, begins again. Two of them run at once. */
proctype Decider() {
  byte listed = 0;
  bool hasCutoff, hasClose, hasSelection;

wait:
  end: if
  :: manifest -> goto done
  :: due -> if :: due = false :: skip fi                /* it may come twice */
  fi;
#ifdef LIST_TOO_EARLY
  listed = commits;
#endif
  d_step { hasCutoff = cutoff; hasClose = close; hasSelection = selection };
  if
  :: !hasCutoff && (trainingOver || commits == ALL) -> cutoff = true
  :: hasCutoff && !hasClose ->
#ifndef LIST_TOO_EARLY
     listed = commits;                    /* listed after the barrier stood */
#endif
     d_step {
       if
#ifdef OVERWRITE
       :: true -> close = true; closeSet = listed
#else
       :: !close -> close = true; closeSet = listed     /* created once */
#endif
       :: else
       fi;
       consistent()
     }
  :: hasClose && !hasSelection && (report || evaluationOver) ->
     listed = (report -> closeSet : 0);   /* nothing judged: published empty */
     d_step {
       if
#ifdef OVERWRITE
       :: true -> selection = true; selected = listed
#else
       :: !selection -> selection = true; selected = listed
#endif
       :: else
       fi;
       consistent()
     }
  :: hasSelection ->
     d_step { if :: !manifest -> manifest = true; published = selected :: else fi }
  :: else
  fi;
  d_step { listed = 0; hasCutoff = false; hasClose = false; hasSelection = false };
  goto wait;
done:
  skip
}

proctype Evaluator() {
  close;
  if
  :: report = true; send()
  :: skip                                 /* it dies, or never answers */
  fi
}

/* Deadlines come. */
proctype Time() {
  trainingOver = true;
  close;
  evaluationOver = true
}

/* The sweep comes, again and again. */
proctype Schedule() {
  do
  :: manifest -> break
#ifndef NO_SWEEP
  :: !due -> due = true
#else
  :: false
#endif
  od
}

init {
  atomic { run Peer(1); run Peer(2); run Decider(); run Decider(); run Evaluator(); run Time(); run Schedule() }
}

/* Whatever happens, the round ends. What else must hold is asserted where it could break. */
ltl ends { <> manifest }
