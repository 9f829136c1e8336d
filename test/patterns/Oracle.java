import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import software.amazon.event.ruler.JsonRuleCompiler;
import software.amazon.event.ruler.Machine;
import software.amazon.event.ruler.Patterns;

/**
 * Answers with AWS's own matcher. One line in: {"pattern": text, "events": [text, …]}. One line out:
 * {"matches": [boolean, …]}, or {"refusal": message} when the pattern is not valid. With "apart": true each choice of
 * one alternative per list has a machine of its own, so that alternatives cannot disturb each other.
 */
public class Oracle {
  private static final ObjectMapper JSON = new ObjectMapper();
  /** More than any generated pattern has; without it a mistake in the generator would fill the memory. */
  private static final int CHOICES_MAX = 20_000;

  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
      out.flush();
    }
  }

  private static ObjectNode answer(JsonNode question) {
    ObjectNode answer = JSON.createObjectNode();
    List<Machine> machines = new ArrayList<>();
    try {
      // What Machine.addRule does first. Its second try, with a compiler from before $or, would take $or as a name.
      List<Map<String, List<Patterns>>> rules = JsonRuleCompiler.compile(question.get("pattern").asText());
      if (question.path("apart").asBoolean()) {
        for (Map<String, List<Patterns>> rule : choices(rules)) machines.add(machineOf(List.of(rule)));
      } else {
        machines.add(machineOf(rules));
      }
    } catch (Exception | AssertionError error) {
      return answer.put("refusal", String.valueOf(error.getMessage()));
    }
    try {
      ArrayNode matches = answer.putArray("matches");
      for (JsonNode event : question.get("events")) matches.add(anyMatches(machines, event.asText()));
      return answer;
    } catch (Exception | AssertionError error) {
      return answer.put("failure", String.valueOf(error));
    }
  }

  private static Machine machineOf(List<Map<String, List<Patterns>>> rules) {
    Machine machine = Machine.builder().build();
    for (Map<String, List<Patterns>> rule : rules) machine.addPatternRule("rule", rule);
    return machine;
  }

  private static boolean anyMatches(List<Machine> machines, String event) throws Exception {
    for (Machine machine : machines) {
      if (!machine.rulesForJSONEvent(event).isEmpty()) return true;
    }
    return false;
  }

  /** Every choice of one alternative from each list. */
  private static List<Map<String, List<Patterns>>> choices(List<Map<String, List<Patterns>>> rules) {
    List<Map<String, List<Patterns>>> chosen = new ArrayList<>(rules);
    Set<String> names = new HashSet<>();
    for (Map<String, List<Patterns>> rule : rules) names.addAll(rule.keySet());
    for (String name : names) {
      List<Map<String, List<Patterns>>> longer = new ArrayList<>();
      for (Map<String, List<Patterns>> rule : chosen) {
        if (!rule.containsKey(name)) longer.add(rule);
        for (Patterns alternative : rule.getOrDefault(name, List.of())) {
          Map<String, List<Patterns>> copy = new HashMap<>(rule);
          copy.put(name, List.of(alternative));
          longer.add(copy);
        }
      }
      chosen = longer;
      if (chosen.size() > CHOICES_MAX) throw new IllegalStateException("too many choices");
    }
    return chosen;
  }
}
