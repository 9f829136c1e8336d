import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import software.amazon.event.ruler.Machine;

/**
 * Measures event-ruler in its own loop. One line in: {"patterns": [text, …], "events": [text, …]} loads the rules;
 * {"measureMs": n, "from": "text" or "tree"} measures. One line out for each: {"events": n, "ms": n, "matches": n}.
 */
class EventRulerBenchmark {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static Machine machine;
  private static final List<String> texts = new ArrayList<>();
  private static final List<JsonNode> trees = new ArrayList<>();

  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode order = JSON.readTree(line);
      System.out.println(order.has("patterns") ? load(order) : measure(order));
      System.out.flush();
    }
  }

  private static String load(JsonNode order) throws Exception {
    machine = Machine.builder().build();
    texts.clear();
    trees.clear();
    int number = 0;
    for (JsonNode pattern : order.get("patterns")) machine.addRule("rule-" + number++, pattern.asText());
    for (JsonNode event : order.get("events")) {
      texts.add(event.asText());
      trees.add(JSON.readTree(event.asText()));
    }
    return "{}";
  }

  private static String measure(JsonNode order) throws Exception {
    boolean fromText = order.get("from").asText().equals("text");
    long start = System.nanoTime();
    long end = start + order.get("measureMs").asLong() * 1_000_000L;
    long events = 0;
    long matches = 0;
    long now = start;
    while (now < end) {
      for (int index = 0; index < texts.size(); index++) {
        matches += fromText
            ? machine.rulesForJSONEvent(texts.get(index)).size()
            : machine.rulesForJSONEvent(trees.get(index)).size();
      }
      events += texts.size();
      now = System.nanoTime();
    }
    return "{\"events\":" + events + ",\"ms\":" + (now - start) / 1e6 + ",\"matches\":" + matches + "}";
  }
}
