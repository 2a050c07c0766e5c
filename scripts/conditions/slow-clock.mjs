// performance.now runs five times as fast: to code that works in slices or budgets of time, the machine looks a fifth as fast.
const real = performance.now.bind(performance);
performance.now = () => real() * 5;
