import { Gym } from "./test/attacks/arena/gym.ts";
import { arenaConfig } from "./test/attacks/arena/config.ts";
import { play } from "./test/attacks/arena/play.ts";
import { mobyDick } from "./workers/local/quick-start.ts";
import { f64FromHex, f32FromHex } from "./schemas/index.ts";
import { hugeNorms } from "./test/attacks/kinds/huge-norms.ts";
const tokens = Uint16Array.from(mobyDick());
const gym = await Gym.open(arenaConfig, tokens);
for (const attack of [hugeNorms]) {
  const p = await play({ seed: 2, gym, tokens, rounds: 10, attack });
  console.log(attack.name, p.heldOut.map((x) => x.toFixed(2)).join(" "));
  for (const { finished } of p.rounds) { const { close, selection, manifest } = finished;
    console.log(manifest.body.round, manifest.body.outcome, manifest.body.reason.slice(0, 60), "m", f64FromHex(close.body.medianNorm ?? "0".repeat(16)).toFixed(2), "scale", selection.body.assignmentScale && f64FromHex(selection.body.assignmentScale).toExponential(1));
    console.log("  ", close.body.submissions.map((s) => `${p.honest.includes(s.peer) ? "h" : "a"}${f64FromHex(s.norm ?? "0".repeat(16)).toFixed(1)}/${s.clip ? f32FromHex(s.clip).toFixed(2) : s.verdict}`).join(" "));
    console.log("  ", selection.body.judgements.map((j) => `${p.honest.includes(j.peer) ? "h" : "a"}${f64FromHex(j.lossScore).toFixed(3)}${j.eligible ? "+" : "-"}`).join(" "));
  }
}
await gym.close();
