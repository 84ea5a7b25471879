// The answer: the likeliest class in large, and a bar for each class.

class Bars {
  constructor(answer, list, net, say) {
    Object.assign(this, { answer, list, net, say });
    this.rows = net.classes.map((name) => {
      const hidden = { "aria-hidden": "true" }; // the meter tells it all
      const label = make("span", { class: "name", ...hidden }, name);
      const fill = make("span", { class: "fill" }), value = make("span", { class: "value", ...hidden });
      const track = make("span", { class: "track", role: "meter", "aria-label": name, "aria-valuemin": 0 }, fill);
      const row = make("li", {}, label, track, value);
      list.append(row);
      return { row, fill, track, value };
    });
  }

  // Shows what the net says; nothing where there is nothing to read.
  show(answers, isEmpty) {
    const best = answers.indexOf(Math.max(...answers));
    const most = this.net.answers === "values" ? largest(answers) : 1;
    this.rows.forEach(({ row, fill, track, value }, i) => {
      const part = isEmpty || !most ? 0 : answers[i] / most;
      const text = isEmpty ? "\u2013" : this.text(answers[i]);
      fill.style.transform = `translateX(${100 * Math.abs(part) - 100}%)`; // its end stays round
      fill.classList.toggle("below", part < 0);
      row.classList.toggle("best", i === best && !isEmpty);
      value.textContent = text;
      track.setAttribute("aria-valuemax", most);
      track.setAttribute("aria-valuenow", isEmpty ? 0 : answers[i]);
      track.setAttribute("aria-valuetext", isEmpty ? "nothing to read" : text);
    });
    const name = isEmpty ? "?" : this.net.classes[best];
    const [said, sureness] = this.answer.children;
    said.textContent = name;
    said.classList.toggle("long", name.length > 2);
    sureness.textContent = isEmpty ? "Nothing to read yet" : this.sureness(answers[best]);
    this.announce(isEmpty ? "" : `It reads ${name}, ${this.text(answers[best])}`);
  }

  text(answer) {
    return this.net.answers === "values" ? told(answer) : percent(answer);
  }

  sureness(answer) {
    if (this.net.answers === "values") return `the largest output, ${told(answer)}`;
    const words = answer > 0.9 ? "sure" : answer > 0.6 ? "fairly sure" : "not sure at all";
    return `${percent(answer)}: ${words}`;
  }

  // Tells a screen reader once the drawing rests.
  announce(text) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.say(text), 600);
  }
}
